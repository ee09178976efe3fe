/** Holds docs/converting.md to what its commands print, and its options to those that there are. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { convertCommand } from "../lib/cli/convert.ts";
import { openCheckpoint } from "../lib/convert/formats/open_checkpoint.ts";
import { openConversionSource } from "../lib/convert/source.ts";
import { parseArguments } from "../lib/cli/arguments.ts";
import { convert, type ConvertOptions } from "../lib/convert/convert.ts";
import { CheckpointFormatError } from "../lib/errors.ts";
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
      const command = `convert ${local(name)} ${said} --force --out mine.safetensors`;
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

const DENSE = { "classifier.0.weight": [6, 16], "classifier.3.weight": [5, 6] };
const ONE_DENSE = { "classifier.weight": [5, 4] };
/** `conv0` … and `bn0` …, of which nothing tells whether ReLUs are between them. */
const NORMED = Object.fromEntries(
  Object.values(vgg11({})).flatMap((shape, index) => [
    [`conv${index}.weight`, shape],
    ...["weight", "bias", "running_mean", "running_var"].map((part) => [`bn${index}.${part}`, [4]]),
  ]),
);

/** Filters as Flax has them, for networks that are prepared in any way. */
const KERNELS = Object.fromEntries(
  Object.values(vgg11({})).map(([o, i, h, w], index) => [`conv${index}.kernel`, [h, w, i, o]]),
);

/** What the command line makes of options; `--preprocess` is a preset's name here. */
function said(words: string): ConvertOptions & { out?: undefined } {
  const { options } = parseArguments(words.split(" ").filter(Boolean), convertCommand.options);
  const { preprocess, afterPool, inputSize, norm, activation, head, state } = options;
  const preprocessing = preprocess as "torch";
  return { afterPool, inputSize, norm, activation, head, state, preprocessing };
}

/** Files that leave a question open, by its answer; what else is said of them. */
const QUESTIONS: Record<string, { shapes: Shapes; also?: string }> = {
  "--after-pool average": { shapes: vgg11(ONE_DENSE), also: "--input-size 224" },
  "--after-pool flatten": { shapes: vgg11(ONE_DENSE) },
  "--input-size 224": { shapes: vgg11(ONE_DENSE), also: "--after-pool average" },
  "--norm before-relu": { shapes: { ...NORMED, "fc.weight": [5, 4 * 49] } },
  "--activation relu": {
    shapes: vgg11({ "classifier.0.weight": [6, 16], "classifier.2.weight": [5, 6] }),
  },
  "--head sigmoid": {
    shapes: vgg11({ "classifier.0.weight": [6, 16], "classifier.3.weight": [1, 6] }),
  },
  "--state model_ema": {
    shapes: Object.fromEntries(
      ["model", "model_ema"].flatMap((state) =>
        Object.entries(vgg11(DENSE)).map(([name, shape]) => [`${state}.${name}`, shape])
      ),
    ),
  },
  "--preprocess torch": { shapes: { ...KERNELS, "fc.kernel": [4 * 49, 5] } },
};

Deno.test("docs/converting.md has the answers to all that convert asks", async () => {
  const answers = [...PAGE.matchAll(/^\| (`--.*`) \|/gm)].flatMap(([, cell]) => cell.split(", "));
  for (const [answer, { shapes, also = "" }] of Object.entries(QUESTIONS)) {
    assert(answers.includes(`\`${answer}\``), answer);
    const bytes = checkpointOf(shapes);
    const error = await assertRejects(() => convert(bytes, said(also)), CheckpointFormatError);
    const [flag] = answer.split(" ");
    assertEquals(
      [error.code, error.message.includes(flag)],
      ["checkpoint-ambiguous", true],
      answer,
    );
    await convert(bytes, said(`${answer} ${also}`));
  }
});

Deno.test("the options of docs/converting.md are those of convert", () => {
  const found = [...PAGE.matchAll(/`(--(?!allow)[^\s`]+ [^`]+)`/g)].map(([, words]) => words);
  assert(found.length > 10, `${found}`);
  for (const words of found) parseArguments(words.split(" "), convertCommand.options);
});
