import type { Model } from "../../lib/model/model.ts";

/** A model whose first convolution has its weights in reverse: of one that is in memory, nothing else tells. */
export function reversedModel(own: Model): Model {
  return {
    ...own,
    async *weights(options) {
      for await (const piece of own.weights(options)) {
        yield piece.layer === "conv1_1" ? { ...piece, data: piece.data.toReversed() } : piece;
      }
    },
  };
}
