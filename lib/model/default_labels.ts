/** What the embedded model knows, for the compiler; a test compares it with the model. */

/** A label of the embedded model. */
export type DefaultLabel =
  | "airplane"
  | "automobile"
  | "bird"
  | "cat"
  | "deer"
  | "dog"
  | "frog"
  | "horse"
  | "ship"
  | "truck";
