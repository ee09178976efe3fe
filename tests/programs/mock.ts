/** What is made of labels is tried without a network: with a classifier that says what the test wants. */

import { classifierFrom, type ImageClassifier } from "@edge/vgg16";

/** What is to be tested: it takes whatever classifies. */
export async function isPet(photo: Blob, classifier: ImageClassifier): Promise<boolean> {
  const [best] = await classifier.classify(photo, { topK: 1 });
  return best.score > 0.5 && ["cat", "dog"].includes(best.label);
}

export function mock(cat: number): ImageClassifier<"cat" | "truck"> {
  return classifierFrom({
    labels: ["cat", "truck"],
    scores: (images) => images.map(() => [cat, 1 - cat]),
  });
}
