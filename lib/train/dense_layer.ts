/** A trained layer in real numbers. */
export interface DenseLayer {
  /** `[O, I]`. */
  readonly weight: Float32Array;
  /** `[O]`. */
  readonly bias: Float32Array;
}
