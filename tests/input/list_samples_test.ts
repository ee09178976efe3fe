import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { Dataset } from "../../lib/input/dataset.ts";
import { listSamples } from "../../lib/input/list_samples.ts";
import { IMAGENET_CLASSES } from "../../lib/model/labels.ts";
import { withFiles } from "../support/files.ts";

const PHOTOS = new URL("../data/photos/", import.meta.url);
const JPEG = await Deno.readFile(new URL("boats.jpg", PHOTOS));

/** The samples as `path label`, with paths from the directory. */
function relative({ samples, labels }: Dataset, directory: string): string[] {
  return samples.map(({ file, label }) => `${file.slice(directory.length + 1)} ${labels[label]}`);
}

Deno.test("listSamples() reads one folder per class, in the order of names", async () => {
  const files = { "dog/2.png": "", "dog/1.JPG": "", "dog/notes.txt": "", "cat/1.png": "" };
  await withFiles(files, async (directory) => {
    const found = await listSamples(directory, ["cat", "bird", "dog"]);
    const expected = ["cat/1.png cat", "dog/1.JPG dog", "dog/2.png dog"];
    assertEquals(relative(found, directory), expected);
    assertEquals(found.labels, ["cat", "bird", "dog"]);
    assertEquals(found.warnings, ["Left out beside the pictures: 1 other file (1 .txt)"]);
    const own = await listSamples(directory);
    assertEquals([own.labels, relative(own, directory)], [["cat", "dog"], expected]);
    await assertRejects(() => listSamples(directory, ["cat", "dot"]), RangeError, '"dot"');
  });
});

Deno.test("a class has the pictures of folders in its own, of any name and ending", async () => {
  const files = {
    "cat/1.jpg": JPEG,
    "cat/small/old/2.jpg": JPEG,
    "cat/no ending": JPEG,
    "cat/IMG_3.JPG_large": JPEG,
    "cat/phone.HEIC": "",
    "cat/BMW list": "BMW, Audi, Opel and others that are no pictures at all",
    "cat/report.pdf": "%PDF-1.4",
    "dog/1.png": "",
  };
  await withFiles(files, async (directory) => {
    const found = await listSamples(directory);
    assertEquals(relative(found, directory), [
      "cat/1.jpg cat",
      "cat/IMG_3.JPG_large cat",
      "cat/no ending cat",
      "cat/phone.HEIC cat",
      "cat/small/old/2.jpg cat",
      "dog/1.png dog",
    ]);
    assertEquals(found.warnings, [
      "Left out beside the pictures: 2 other files (1 .pdf, 1 without an ending)",
    ]);
  });
});

Deno.test("what systems put into folders is no class and no picture", async () => {
  const files = {
    "cat/1.jpg": "",
    "cat/._1.jpg": "",
    "cat/Thumbs.db": "",
    "cat/desktop.ini": "",
    "cat/__MACOSX/2.jpg": "",
    "dog/1.jpg": "",
    "__MACOSX/cat/._1.jpg": "",
    ".ipynb_checkpoints/1.jpg": "",
    "@eaDir/1.jpg": "",
    ".DS_Store": "",
  };
  await withFiles(files, async (directory) => {
    const found = await listSamples(directory);
    assertEquals(relative(found, directory), ["cat/1.jpg cat", "dog/1.jpg dog"]);
    assertEquals(found.warnings, []);
  });
});

Deno.test("a folder without pictures is left out and said, and so are pictures of no folder", async () => {
  const files = { "cat/1.jpg": "", "dog/1.jpg": "", "docs/a.md": "", "loose.jpg": "" };
  await withFiles(files, async (directory) => {
    await Deno.mkdir(join(directory, "bird"));
    const found = await listSamples(directory);
    assertEquals(found.labels, ["cat", "dog"]);
    assertEquals(found.warnings, [
      'Left out as folders without pictures: "bird" holds nothing at all; "docs" holds 1 other file (1 .md)',
      `Left out as in no class's folder, but in ${directory} itself: 1 picture`,
    ]);
    assertEquals((await listSamples(directory, ["dog", "cat"])).labels, ["dog", "cat"]);
  });
});

Deno.test("a directory without labeled pictures says what it holds", async () => {
  await withFiles({ "a.jpg": "", "b.md": "", "c.md": "" }, async (directory) => {
    const found = "found no folders, but 1 picture and 2 other files (2 .md)";
    await assertRejects(() => listSamples(directory), RangeError, found);
  });
  await withFiles({ "cat/a.md": "", "dog/b.csv": "" }, async (directory) => {
    const found = "found 2 folders, and in them 2 other files (1 .md, 1 .csv)";
    await assertRejects(() => listSamples(directory), RangeError, found);
  });
});

Deno.test("the parts of a data set are no classes, nor is the one folder of an archive", async () => {
  const parts = { "train/cat/1.jpg": "", "train/dog/1.jpg": "", "test/1.jpg": "" };
  await withFiles(parts, async (directory) => {
    const found =
      `found "test", "train", whose pictures are in folders of their own. If these are ` +
      `the classes, give ${join(directory, "train")}`;
    await assertRejects(() => listSamples(directory), RangeError, found);
  });
  await withFiles({ "shop/cat/1.jpg": "", "__MACOSX/shop/._1.jpg": "" }, async (directory) => {
    await assertRejects(
      () => listSamples(directory),
      RangeError,
      `give ${join(directory, "shop")}`,
    );
  });
  // Vehicles, and Tiny ImageNet's folders.
  await withFiles({ "train/1.jpg": "", "car/images/1.jpg": "" }, async (directory) => {
    assertEquals((await listSamples(directory)).labels, ["car", "train"]);
  });
});

Deno.test("classes are in the order of code points, with letters in one form", async () => {
  const nfd = "Käfer".normalize("NFD");
  const files = {
    ...{ [`${nfd}/1.jpg`]: "", "Käfer/2.jpg": "", "a/1.jpg": "", "Z/1.jpg": "", "10/1.jpg": "" },
    ...{ "9/1.jpg": "", "\u{1f355}/1.jpg": "", "\uff21/1.jpg": "" },
  };
  await withFiles(files, async (directory) => {
    const found = await listSamples(directory);
    // UTF-16 would have the pizza before the wide letter.
    assertEquals(found.labels, ["10", "9", "Käfer", "Z", "a", "\uff21", "\u{1f355}"]);
    assertEquals(relative(found, directory).filter((text) => text.endsWith("Käfer")), [
      `${nfd}/1.jpg Käfer`,
      "Käfer/2.jpg Käfer",
    ]);
    const others = ["10", "9", "Z", "a", "\uff21", "\u{1f355}"];
    const known = await listSamples(directory, [...others, nfd]);
    assertEquals(known.samples.filter(({ label }) => label === 6).length, 2);
  });
});

Deno.test("classes that differ in case or spaces alone are said, where no model tells them apart", async () => {
  await withFiles({ "Cat/1.jpg": "", "cat/1.jpg": "", "dog /1.jpg": "" }, async (directory) => {
    const found = await listSamples(directory);
    assertEquals(found.labels, ["Cat", "cat", "dog "]);
    assertEquals(found.warnings, ['Classes of their own are "Cat" and "cat"']);
    assertEquals((await listSamples(directory, ["cat", "Cat", "dog "])).warnings, []);
  });
  await withFiles({ "list.csv": "1.jpg,cat\n2.jpg,CAT\n" }, async (directory) => {
    const { warnings } = await listSamples(join(directory, "list.csv"));
    assertEquals(warnings, ['Classes of their own are "CAT" and "cat"']);
  });
});

Deno.test("folders with WordNet ids are classes by label or id, and by place in ImageNet's own", async () => {
  const files = { "n01443537/a.JPEG": "", "n01440764/b.JPEG": "", "n15075141/c.JPEG": "" };
  await withFiles(files, async (directory) => {
    const expected = ["n01440764/b.JPEG", "n01443537/a.JPEG", "n15075141/c.JPEG"];
    const indices = async (known: Parameters<typeof listSamples>[1]) => {
      const { samples, labels } = await listSamples(directory, known);
      assertEquals(samples.map(({ file }) => file.slice(directory.length + 1)), expected);
      return samples.map(({ label }) => [label, labels[label]]);
    };
    const ids = ["n15075141", "n01443537", "n01440764"];
    assertEquals(await indices(ids), [[2, ids[2]], [1, ids[1]], [0, ids[0]]]);
    const infos = ["tissue", "goldfish", "tench"].map((label, index) => ({
      ...{ index, label, id: ids[index], synonyms: [] },
    }));
    assertEquals(await indices(infos), [[2, "tench"], [1, "goldfish"], [0, "tissue"]]);
    const imagenet = IMAGENET_CLASSES.map(({ label }) => label.split(", ")[0]!);
    assertEquals(await indices(imagenet), [[0, "tench"], [1, "goldfish"], [999, "toilet tissue"]]);
    await assertRejects(() => indices(["red", "green", "blue"]), RangeError, '"n01440764"');
  });
});

Deno.test("a link to a folder is a class, and leads nowhere below one", async () => {
  await withFiles({ "real/1.jpg": "", "dog/1.jpg": "" }, async (root) => {
    await Deno.mkdir(join(root, "data"));
    await Deno.symlink(join(root, "real"), join(root, "data/cat"));
    await Deno.symlink(join(root, "dog"), join(root, "data/dog"));
    await Deno.symlink(root, join(root, "dog/round"));
    await Deno.symlink(join(root, "gone.jpg"), join(root, "dog/gone.jpg"));
    const directory = join(root, "data"), found = await listSamples(directory);
    assertEquals(relative(found, directory), [
      "cat/1.jpg cat",
      "dog/1.jpg dog",
      "dog/gone.jpg dog",
    ]);
    assertEquals(found.warnings, [
      "Left out beside the pictures: 1 other file (1 without an ending)",
    ]);
  });
});

Deno.test("listSamples() reads CSV and ImageNet's val.txt, with labels or indices", async () => {
  const files = {
    "list.csv": 'file,label\n"a, b.png",dog\nsub/c.png,0\n',
    "val.txt": "ILSVRC2012_val_00000001.JPEG 1\nwith space.png 0\n",
    "bad.csv": "b.png,cat\na.png,7\n",
    "bare.csv": "a.png\nb.png\n",
  };
  await withFiles(files, async (directory) => {
    const labels = ["cat", "dog"];
    const csv = await listSamples(join(directory, "list.csv"), labels);
    assertEquals(relative(csv, directory), ["a, b.png dog", "sub/c.png cat"]);
    assertEquals(csv.samples.map(({ line }) => line), [2, 3]);
    const txt = await listSamples(join(directory, "val.txt"), labels);
    assertEquals(relative(txt, directory), [
      "ILSVRC2012_val_00000001.JPEG dog",
      "with space.png cat",
    ]);
    const bad = join(directory, "bad.csv"), where = "bad.csv, line 2: a.png has label 7";
    await assertRejects(() => listSamples(bad, labels), RangeError, where);
    const bare = join(directory, "bare.csv");
    await assertRejects(() => listSamples(bare, labels), RangeError, "a.png has no label");
    await assertRejects(() => listSamples(bare), RangeError, "a.png has no label");
  });
});

Deno.test("a list tells what of it is not used, and which pictures it names twice", async () => {
  const list =
    "path;split;label\na.jpg;train;cat\n./a.jpg;test;cat\nb.jpg;train;dog\na.jpg;test;dog\n" +
    "https://example.com/c.jpg?key=1;test;dog\nhttps://example.com/c.jpg?key=2;test;dog\n";
  await withFiles({ "list.csv": list }, async (directory) => {
    const path = join(directory, "list.csv"), { samples, warnings } = await listSamples(path);
    assertEquals(samples.map(({ file, label, line }) => [file, label, line]), [
      [join(directory, "a.jpg"), 0, 2],
      [join(directory, "b.jpg"), 1, 4],
      ["https://example.com/c.jpg", 1, 6],
      ["https://example.com/c.jpg (2)", 1, 7],
    ]);
    assertEquals(samples[3]!.image, "https://example.com/c.jpg?key=2");
    assertEquals(warnings, [
      `Columns of ${path} that are not used: split`,
      `${path} names pictures more than once, of which the first line counts: ` +
      "./a.jpg in lines 2 and 3; a.jpg in lines 2 and 5, with another class",
    ]);
  });
});

Deno.test("a list's paths may be above it, absolute, URLs of files, or written on Windows", async () => {
  await withFiles(
    { "cats/1.jpg": "", "lists/odd\\1.jpg": "", "lists/odd/1.jpg": "" },
    async (directory) => {
      const path = join(directory, "lists/list.txt"), url = "file:///photos/2.jpg";
      const placesOf = async (...files: string[]): Promise<string[]> => {
        await Deno.writeTextFile(path, files.map((file) => `${file}\tcat\n`).join(""));
        return (await listSamples(path)).samples.map(({ file }) => file);
      };
      const here = join(directory, "lists");
      assertEquals(await placesOf("../x.jpg", url, "/x/3.jpg", "./a//b.jpg"), [
        ...[join(directory, "x.jpg"), url, "/x/3.jpg", join(here, "a/b.jpg")],
      ]);
      assertEquals(await placesOf("..\\cats\\1.jpg", "gone\\1.jpg"), [
        ...[join(directory, "cats/1.jpg"), join(here, "gone/1.jpg")],
      ]);
      assertEquals(await placesOf("odd\\1.jpg"), [join(here, "odd\\1.jpg")]);
    },
  );
});

Deno.test("a list may be in UTF-16, and is refused in another encoding than Unicode's", async () => {
  const text = "path\tlabel\r\na.jpg\tKäfer\r\n";
  const utf16 = (isBig: boolean): Uint8Array => {
    const view = new DataView(new ArrayBuffer(2 * text.length + 2));
    view.setUint16(0, 0xfeff, !isBig);
    for (let n = 0; n < text.length; n++) view.setUint16(2 * n + 2, text.charCodeAt(n), !isBig);
    return new Uint8Array(view.buffer);
  };
  const files = {
    "little.txt": utf16(false),
    "big.txt": utf16(true),
    "mark.tsv": `\ufeff${text}`,
    "latin1.csv": Uint8Array.from(text, (char) => char.charCodeAt(0)),
    "picture.jpg": JPEG,
  };
  await withFiles(files, async (directory) => {
    for (const name of ["little.txt", "big.txt", "mark.tsv"]) {
      const { samples, labels } = await listSamples(join(directory, name));
      assertEquals([samples.length, labels], [1, ["Käfer"]], name);
    }
    for (const name of ["latin1.csv", "picture.jpg"]) {
      await assertRejects(() => listSamples(join(directory, name)), RangeError, "UTF-8", name);
    }
  });
});

Deno.test("listing ends where its signal is aborted, and what is not there is not found", async () => {
  await withFiles({ "cat/1.jpg": "", "dog/1.jpg": "" }, async (directory) => {
    const reason = new Error("enough"), signal = AbortSignal.abort(reason);
    const ended = await assertRejects(() => listSamples(directory, undefined, { signal }));
    assert(ended === reason);
    await assertRejects(() => listSamples(join(directory, "bird")), Deno.errors.NotFound);
  });
});
