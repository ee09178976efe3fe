/** Holds docs/converting.md to what its commands print, and its options to those that there are. */

import { assert, assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { convertCommand } from "../lib/cli/convert.ts";
import { openCheckpoint } from "../lib/convert/formats/open_checkpoint.ts";
import { openConversionSource } from "../lib/convert/source.ts";
import { flagOf } from "../lib/cli/arguments.ts";
import { encodePng } from "../lib/image/codecs/encode_png.ts";
import { checkpointOf, type Shapes } from "./support/checkpoint_bytes.ts";
import { blocksOf, commandsOf } from "./support/markdown.ts";
import { labelOf, LABELS, pictures } from "./support/trained.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const CHECKPOINTS = join(ROOT, "tests/fixtures/checkpoints");
const PAGE = await Deno.readTextFile(join(ROOT, "docs/converting.md"));
const BLOCKS = blocksOf(PAGE);
const [SHORT, ...COMMANDS] = BLOCKS.filter(({ kind }) => kind.startsWith("sh"));

/** What `convert` and `evaluate` stand for, as functions of a shell. */
const FUNCTIONS = commandsOf(SHORT.text).map(({ command }) => {
  const name = command.split(" ").at(-1);
  const run = command.replace("deno run", `deno run --no-check --config ${ROOT}deno.json`)
    .replace("cli.ts", `${ROOT}cli.ts`);
  return `${name}() { ${run} "$@" 2>&1; }`;
}).join("\n");

/** VGG11 in torchvision's names, four channels wide, and what follows it. */
function vgg11(rest: Shapes): Shapes {
  const filters = [0, 3, 6, 8, 11, 13, 16, 18].map((number, index) =>
    [`features.${number}.weight`, [4, index === 0 ? 3 : 4, 3, 3]] as const
  );
  return { ...Object.fromEntries(filters), ...rest };
}

/** Writes what stands in the reader's folder. */
async function fill(folder: string): Promise<void> {
  const write = (name: string, bytes: Uint8Array) => Deno.writeFile(join(folder, name), bytes);
  const trained = join(CHECKPOINTS, "trained");
  for (const name of ["norm_after.keras", "opencv.pth"]) {
    await Deno.copyFile(join(trained, name), join(folder, name));
  }
  await Deno.copyFile(join(trained, "rescaling_unit.keras"), join(folder, "shapes.keras"));
  await Deno.writeTextFile(join(folder, "shapes.txt"), LABELS.join("\n"));
  await write(
    "one_dense_layer.safetensors",
    checkpointOf(vgg11({ "classifier.weight": [5, 4] })),
  );
  for (const { kind, text } of BLOCKS) {
    const [, file] = /^json (\S+)$/.exec(kind) ?? [];
    if (file !== undefined) await Deno.writeTextFile(join(folder, file), text);
  }
  for (const label of LABELS) {
    await Deno.mkdir(join(folder, "pictures", label), { recursive: true });
  }
  for (const [index, picture] of (await pictures()).entries()) {
    const label = LABELS[labelOf(index)];
    await write(`pictures/${label}/${index}.png`, await encodePng(picture));
  }
}

/** Runs a line of the page in a folder: what it prints. */
async function outputOf(command: string, cwd: string): Promise<string> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `${FUNCTIONS}\n${command}`],
    cwd,
    env: {
      PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`,
      NO_COLOR: "1",
      // Without an adapter, which would take most of the time.
      VK_DRIVER_FILES: "/dev/null",
    },
  }).output();
  return new TextDecoder().decode(stdout);
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Lines may be broken anywhere, and speeds differ. */
function plain(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll(/[\d.]+ images\/s/g, "N images/s").trim();
}

Deno.test("the commands of docs/converting.md print what it says", async () => {
  await withFolder(async (folder) => {
    await fill(folder);
    for (const { command, shown } of COMMANDS.flatMap(({ text }) => commandsOf(text))) {
      assertEquals(plain(await outputOf(command, folder)), plain(shown), command);
    }
  });
});

/** Small files of the kinds that the page names; those for 224 pixels are for 64 here. */
const SOURCES: Record<string, string> = {
  "vgg16.pth": "zip_d.pth",
  "vgg16.pt": "pytorch/traced.pt",
  "model.safetensors": "timm_e.safetensors",
  "hf:timm/vgg16.tv_in1k": "timm_e.safetensors",
  "mine.keras": "trained/rescaling_unit.keras",
  "mine.h5": "trained/caffe.h5",
  "vgg16_weights_tf_dim_ordering_tf_kernels.h5": "keras_d.h5",
  "saved_model.zip": "tensorflow/keras3.zip",
  "vgg_16.ckpt": "tensorflow/slim_v1.ckpt",
  "frozen.pb": "tensorflow/fused.pb",
  "vgg16.tflite": "tflite/dynamic.tflite",
  "model.json": "tfjs_float32/model.json",
  "vgg16.onnx": "a_bn.onnx",
  "VGG_ILSVRC_16_layers.caffemodel": "v1_d.caffemodel",
  "imagenet-vgg-verydeep-16.mat": "matconvnet/simplenn.mat",
  "vgg-16.weights": "darknet/v2.weights",
  "vgg16.pdparams": "pytorch/arrays2.pkl",
  "vgg16_weights.npz": "d.npz",
};

/** As timm writes it. */
const TIMM = JSON.stringify({
  architecture: "vgg19",
  pretrained_cfg: {
    input_size: [3, 64, 64],
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    crop_pct: 0.875,
    interpolation: "bilinear",
  },
});

/** What has to be beside them. */
const SIBLINGS: Record<string, string> = {
  "group1-shard1of3.bin": "tfjs_float32/group1-shard1of3.bin",
  "group1-shard2of3.bin": "tfjs_float32/group1-shard2of3.bin",
  "group1-shard3of3.bin": "tfjs_float32/group1-shard3of3.bin",
  "vgg-16.cfg": "darknet/v2.cfg",
};

Deno.test("what docs/converting.md says of each source is so", async () => {
  const rows = [
    ...PAGE.matchAll(
      /^\| [^|]+ \| `(\S+?)( .*?)?` \| (described|told) \| (read|given|assumed) \|$/gm,
    ),
  ];
  assertEquals(rows.map(([, name]) => name), Object.keys(SOURCES));
  await withFolder(async (folder) => {
    // A repository's folder stands for its name, which the network would be needed for.
    const local = (name: string): string => name.replace(/^hf:.*\//, "");
    await Deno.mkdir(join(folder, "vgg16.tv_in1k"));
    await Deno.writeTextFile(join(folder, "vgg16.tv_in1k/config.json"), TIMM);
    for (const [name, fixture] of Object.entries({ ...SOURCES, ...SIBLINGS })) {
      const file = name.startsWith("hf:") ? `${local(name)}/model.safetensors` : name;
      await Deno.copyFile(join(CHECKPOINTS, fixture), join(folder, file));
    }
    for (const [row, name, flags = "", network, from] of rows) {
      const said = flags.replace("--input-size 224", "--input-size 64");
      const command = `convert ${local(name)} ${said} --out mine.safetensors`;
      const printed = await outputOf(command, folder);
      assert(printed.includes(`(${from})\n`), `${row}\n${printed}`);
      const source = await openConversionSource(join(folder, local(name)), {});
      const checkpoint = await openCheckpoint(source.bytes, source);
      assertEquals(checkpoint.graph === undefined ? "told" : "described", network, row);
      checkpoint.close();
      source.bytes.close();
    }
  });
});

Deno.test("the options of docs/converting.md are those of convert", () => {
  const { options } = convertCommand;
  const flags = Object.entries(options).map(([name, option]) => `--${flagOf(name, option)}`);
  for (const [flag] of PAGE.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)) {
    const isKnown = flags.includes(flag) || /^--(allow-\w+|model)$/.test(flag);
    assert(isKnown, `convert has no ${flag}: ${flags}`);
  }
});
