import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { BackendUnavailableError } from "../../lib/errors.ts";
import { listSamples } from "../../lib/input/list_samples.ts";
import { SkippedSamples } from "../../lib/input/skipped_samples.ts";
import { withFiles } from "../support/files.ts";

const JPEG = await Deno.readFile(new URL("../data/photos/boats.jpg", import.meta.url));
const HEIC = new Uint8Array([0, 0, 0, 16, ...new TextEncoder().encode("ftypheic\0\0\0\0")]);

Deno.test("pictures that cannot be read are left out, each with its class and reason", async () => {
  const files = {
    "school bus/cut.jpg": JPEG.subarray(0, 900),
    "school bus/empty.jpg": "",
    "school bus/good.jpg": JPEG,
    "school bus/page.jpg": "<html>404</html>",
    "school bus/phone.heic": HEIC,
    "list.csv": "path,label\nschool bus/good.jpg,bus\nschool bus/gone.jpg,bus\n",
  };
  await withFiles(files, async (directory) => {
    const dataset = await listSamples(directory, ["cat", "school bus"]);
    const skipped = new SkippedSamples(dataset.labels);
    const pictures = [];
    for (const sample of dataset.samples) pictures.push(await skipped.read(sample, {}));
    assertEquals(pictures.map((picture) => picture !== undefined), [
      false,
      false,
      true,
      false,
      false,
    ]);
    assertEquals(skipped.list.map(({ file, label, code }) => [file, label, code]), [
      [join(directory, "school bus/cut.jpg"), "school bus", "image-damaged"],
      [join(directory, "school bus/empty.jpg"), "school bus", "image-damaged"],
      [join(directory, "school bus/page.jpg"), "school bus", "image-format"],
      [join(directory, "school bus/phone.heic"), "school bus", "image-format"],
    ]);
    const says = ["truncated", "an empty file", "HTML", "HEIC"];
    says.forEach((word, n) => assertStringIncludes(skipped.list[n]!.reason, word));

    const good = dataset.samples[2]!, tooLarge = new SkippedSamples(dataset.labels);
    assertEquals(await tooLarge.read(good, { maxPixels: 100 }), undefined);
    assertEquals(tooLarge.list.map(({ code }) => code), ["image-pixels"]);

    const list = await listSamples(join(directory, "list.csv"));
    const missing = new SkippedSamples(list.labels);
    for (const sample of list.samples) await missing.read(sample, {});
    assertEquals(missing.list, [{
      ...{ file: join(directory, "school bus/gone.jpg"), label: "bus", line: 3 },
      ...{ reason: "there is no such file", code: "image-not-found" },
    }]);
  });
});

Deno.test("what is no fault of a picture is thrown", async () => {
  const skipped = new SkippedSamples(["a"]), sample = { file: "a.jpg", label: 0 };
  const lost = new BackendUnavailableError("backend-lost", "webgpu", "it is gone");
  assert(assertThrows(() => skipped.add(sample, lost)) === lost);
  const reason = new Error("enough"), signal = AbortSignal.abort(reason);
  assert(await assertRejects(() => skipped.read(sample, { signal })) === reason);
  assertEquals(skipped.list, []);
});

/** What a check says of classes with so many pictures, of which so many were left out. */
function verdict(
  classes: readonly (readonly [total: number, bad: number])[],
  skipBad = false,
): string {
  const labels = classes.map((_, label) => `class ${"abc"[label]}`);
  const skipped = new SkippedSamples(labels);
  const samples = classes.flatMap(([total, bad], label) =>
    Array.from({ length: total }, (_, n) => {
      const sample = { file: `${label}/${n}.jpg`, label, line: n + 2 };
      if (n < bad) skipped.add(sample, new Error("it is broken"));
      return sample;
    })
  );
  try {
    skipped.check(samples, skipBad);
    return "";
  } catch (error) {
    const { message, lines } = error as Error & { lines: string[] };
    assertEquals(lines.join("\n"), message);
    return message;
  }
}

Deno.test("a class that lost more than a tenth of its pictures ends the run, unless that is wanted", () => {
  assertEquals(verdict([[20, 2], [3, 1], [100, 10]]), "");
  const told = verdict([[19, 2], [20, 2]]);
  assertStringIncludes(told, '2 of 19 pictures of "class a" cannot be read');
  assertStringIncludes(told, "--skip-bad");
  assertEquals(told.split("\n").slice(1), [
    "0/0.jpg (line 2): it is broken",
    "0/1.jpg (line 3): it is broken",
  ]);
  assertEquals(verdict([[19, 2], [10, 9]], true), "");
  for (const skipBad of [false, true]) {
    const none = verdict([[1, 1], [9, 0]], skipBad);
    assertStringIncludes(none, '1 of 1 pictures of "class a" cannot be read');
  }
  assertEquals(verdict([[1000, 1000]]).split("\n").length, 102);
});
