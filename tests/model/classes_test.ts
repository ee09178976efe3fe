import { assertEquals, assertThrows } from "@std/assert";
import { classesOf, findClass } from "../../lib/model/classes.ts";
import { IMAGENET_CLASSES, imagenetIds } from "../../lib/model/labels.ts";

const IMAGENET = classesOf({
  labels: IMAGENET_CLASSES.map(({ label }) => label),
  ids: IMAGENET_CLASSES.map(({ id }) => id),
});

Deno.test("classesOf() takes the first of a synset's words for the label", () => {
  assertEquals(IMAGENET[281], {
    index: 281,
    label: "tabby",
    id: "n02123045",
    synonyms: ["tabby cat"],
  });
  assertEquals(IMAGENET[134], { index: 134, label: "crane", id: "n02012849", synonyms: [] });
});

Deno.test("classesOf() leaves people's own labels as they are", () => {
  assertEquals(classesOf({ labels: ["cat", "Paris, France"] }), [
    { index: 0, label: "cat", synonyms: [] },
    { index: 1, label: "Paris, France", synonyms: ["Paris", "France"] },
  ]);
});

Deno.test("findClass() finds each of ImageNet's classes by index, id, and all of its words", () => {
  for (const { id, label } of IMAGENET_CLASSES) {
    const { index } = findClass(id, IMAGENET);
    for (const name of [index, String(index)]) assertEquals(findClass(name, IMAGENET).id, id);
    // Two are called "crane", and a "maillot" is also the first word of another.
    if (!["crane", "maillot"].includes(label)) assertEquals(findClass(label, IMAGENET).id, id);
  }
});

Deno.test("findClass() takes a synonym that no other class has, and a label before a synonym", () => {
  for (const [name, index] of [["Tinca tinca", 0], ["tabby cat", 281], ["missile", 657]] as const) {
    assertEquals(findClass(name, IMAGENET).index, index);
  }
});

Deno.test("findClass() lists the classes that an ambiguous name may mean", () => {
  assertThrows(
    () => findClass("crane", IMAGENET),
    RangeError,
    '"crane" names 2 classes: 134 (n02012849 crane), 517 (n03126707 crane). Give an index or an id',
  );
  const own = classesOf({ labels: ["apple, red", "apple, green"] });
  assertThrows(
    () => findClass("apple", own),
    RangeError,
    "0 (apple, red), 1 (apple, green). Give an index",
  );
  assertEquals(findClass("red", own).index, 0);
});

Deno.test("findClass() takes digits for a label before it takes them for an index", () => {
  const digits = classesOf({ labels: ["2", "0", "1"] });
  assertEquals([findClass("0", digits).index, findClass(0, digits).index], [1, 0]);
});

Deno.test("findClass() says what there is instead of an unknown name", () => {
  assertThrows(() => findClass("tabbi", IMAGENET), RangeError, 'did you mean "tabby"?');
  for (const index of [1000, -1, 1.5, NaN]) {
    assertThrows(() => findClass(index, IMAGENET), RangeError, "expected 0 to 999");
  }
  assertThrows(() => findClass("1000", IMAGENET), RangeError, "expected 0 to 999");
});

Deno.test("imagenetIds() knows ImageNet's labels, whole or by one word each, and no others", () => {
  const ids = IMAGENET_CLASSES.map(({ id }) => id), labels = IMAGENET_CLASSES.map((c) => c.label);
  assertEquals(imagenetIds(labels), ids);
  assertEquals(imagenetIds(labels.map((label) => label.split(", ")[0]!)), ids);
  assertEquals(imagenetIds(labels.toReversed()), undefined);
  assertEquals(imagenetIds(labels.slice(1)), undefined);
});

Deno.test("names are looked up, not searched: a thousand of them look at each class once", () => {
  let looks = 0;
  const classes = Array.from({ length: 100 }, (_, index) => ({
    index,
    get label() {
      looks++;
      return `class ${index}`;
    },
    synonyms: [],
  }));
  for (let n = 0; n < 1000; n++) {
    assertEquals(findClass(`class ${n % 100}`, classes).index, n % 100);
  }
  for (let n = 0; n < 1000; n++) assertEquals(findClass(`${n % 100}`, classes).index, n % 100);
  assertEquals(looks <= 300, true, `${looks}`);
});

Deno.test("findClass() takes letters with marks in one code point or several", () => {
  for (const label of ["Käfer", "Käfer".normalize("NFD")]) {
    const classes = classesOf({ labels: ["Ameise", label] });
    for (const form of ["NFC", "NFD"]) {
      assertEquals(findClass(label.normalize(form), classes).index, 1);
    }
  }
});
