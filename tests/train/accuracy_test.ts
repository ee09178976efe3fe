import { assertEquals } from "@std/assert";
import { accuracyOf, isBetter } from "../../lib/train/accuracy.ts";

/** Pictures of two classes, of which the two predictions get some right. */
interface Counts {
  readonly both?: number;
  readonly first?: number;
  readonly second?: number;
  readonly none?: number;
}

/** Whether the first is better, where so many pictures of each class are told by both, by one or by none. */
function better(...counts: readonly Counts[]): boolean | undefined {
  const labels: number[] = [], predicted: number[] = [], others: number[] = [];
  counts.forEach(({ both = 0, first = 0, second = 0, none = 0 }, c) => {
    const wrong = c === 0 ? 1 : 0;
    const put = (count: number, a: number, b: number): void => {
      for (let i = 0; i < count; i++) {
        labels.push(c);
        predicted.push(a);
        others.push(b);
      }
    };
    put(both, c, c);
    put(first, c, wrong);
    put(second, wrong, c);
    put(none, wrong, wrong);
  });
  return isBetter(
    { labels: Int32Array.from(labels), classes: Math.max(2, counts.length) },
    Int32Array.from(predicted),
    Int32Array.from(others),
    [...labels.keys()],
  );
}

Deno.test("as many pictures, or fewer, are not better; none tell nothing", () => {
  assertEquals(better({ both: 5, none: 5 }, { first: 2, second: 2 }), false);
  assertEquals(better({ both: 5, second: 1 }), false);
  assertEquals(better({ both: 1 }), false);
  assertEquals(better(), undefined);
});

Deno.test("a lead counts from two standard errors on", () => {
  // All n pictures of a class: the mean is n / (n + 2), its variance (1 - mean²) / (n + 2). Two standard errors of 3
  // pictures are 0.72, more than their 0.6; of 4 they are 0.61, less than their 0.67.
  assertEquals(better({ first: 1 }), undefined);
  assertEquals(better({ first: 3 }), undefined);
  assertEquals(better({ first: 4 }), true);
  // With 10 that both tell, (4 / 16 = 0.25; (6/16 - 0.0625) / 16, whose root twice is 0.28) it is an accident.
  assertEquals(better({ first: 4, both: 10 }), undefined);
  assertEquals(better({ first: 6, both: 10 }), true);
  // Those that only the other tells count against it.
  assertEquals(better({ first: 6, second: 2, both: 10 }), undefined);
});

Deno.test("classes count the same, however many pictures they have", () => {
  // Two of ten more, and one of two less: more pictures, and a lower balanced accuracy.
  assertEquals(better({ both: 8, first: 2 }, { both: 1, second: 1 }), false);
  assertEquals(better({ both: 8, first: 2 }, { both: 19, second: 1 }), undefined);
});

Deno.test("balanced accuracy is the mean of the classes that have pictures", () => {
  const truth = { labels: Int32Array.of(0, 0, 0, 0, 1, 1), classes: 3 };
  const predicted = Int32Array.of(0, 0, 0, 1, 1, 2);
  assertEquals(accuracyOf(truth, predicted, [0, 1, 2, 3, 4, 5]), {
    accuracy: 4 / 6,
    balancedAccuracy: (3 / 4 + 1 / 2) / 2,
  });
  assertEquals(accuracyOf(truth, predicted, [0, 3]), { accuracy: 0.5, balancedAccuracy: 0.5 });
});
