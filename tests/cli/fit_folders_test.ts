import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { CIFAR10 } from "../support/cifar10.ts";
import { withFiles } from "../support/files.ts";

const CLI = fromFileUrl(new URL("../../cli.ts", import.meta.url));
const CAT = await Deno.readFile(new URL("../data/photos/cat.png", import.meta.url));

Deno.test("a fit of which a class lost more than a tenth ends with a line for each picture", async () => {
  const files = {
    ...{ "data/cat/1.png": CAT, "data/cat/2.png": CAT, "data/dog/1.png": CAT },
    ...{ "data/dog/2\nerror: forged.png": "no picture", "data/dog/3.png": "" },
  };
  await withFiles(files, async (directory) => {
    const out = join(directory, "made.safetensors"), dogs = join(directory, "data/dog");
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--allow-all", CLI, "fit", "--model", CIFAR10],
        ...["--backend", "wasm", "--out", out, join(directory, "data")],
      ],
      env: { NO_COLOR: "1" },
    }).output();
    const [first, ...pictures] = new TextDecoder().decode(stderr).trimEnd().split("\n");
    assertEquals([code, first!.split(",")[0]], [
      1,
      'error: 2 of 3 pictures of "dog" cannot be read',
    ]);
    assertEquals(pictures.map((line) => line.split(": Expected")[0]), [
      `${dogs}/2\\u{a}error: forged.png`,
      `${dogs}/3.png`,
    ]);
  });
});
