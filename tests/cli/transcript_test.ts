/** Command lines as people type them, sensible and silly: what is printed where, and the exit code. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { concat } from "@std/bytes/concat";
import { CIFAR10_FILE } from "../support/cifar10.ts";
import { withFiles } from "../support/files.ts";
import { runCli } from "../support/run_cli.ts";

const read = (path: string): Promise<Uint8Array> =>
  Deno.readFile(fromFileUrl(new URL(`../${path}`, import.meta.url)));
const CAT = await read("data/photos/cat.png"), BOATS = await read("data/photos/boats.jpg");
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

const FILES = {
  "cat.png": CAT,
  "photos/boats.jpg": BOATS,
  "photos/sub/cat.png": CAT,
  "photos/.hidden.png": CAT,
  "photos/._cat.png": "litter",
  "empty/notes.txt": "none",
  "labeled/cat/1.png": CAT,
  "labeled/ship/1.jpg": BOATS,
  "names.txt": "cat.png\nphotos/boats.jpg\n",
  "my.safetensors": await Deno.readFile(CIFAR10_FILE),
  "vgg.safetensors": await read("fixtures/checkpoints/timm_e.safetensors"),
  "diary": "Dear diary",
  "~/own.png": CAT,
};

/** What a line gives: the exit code, and patterns of standard output and standard error; none if it is empty. */
interface Line {
  readonly line: string;
  readonly code: number;
  readonly out?: RegExp;
  readonly err?: RegExp;
  readonly stdin?: Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

const M = "--model my.safetensors";
const SUM = /^2 of 2 classified in [\d.]+ s\n$/;

const LINES: readonly Line[] = [
  { line: "-h", code: 0, out: /^vgg16 [\d.]+: labels pictures/ },
  { line: "--help", code: 0, out: /Look at pictures\n {2}classify/ },
  { line: "help", code: 0, out: /Exit codes: 0 all done/ },
  { line: "", code: 2, out: /^vgg16 / },
  { line: "-V", code: 0, out: /^\d+\.\d+\.\d+\n$/ },
  { line: "--version", code: 0, out: /^\d+\.\d+\.\d+\n$/ },
  { line: "help classify", code: 0, out: /^Says which label each picture gets\.\n/ },
  { line: "classify -h", code: 0, out: /^Says which label each picture gets\.\n/ },
  { line: "classify --scales=x --help --typo", code: 0, out: /-k, --top-k N/ },
  { line: "help nonsense", code: 2, err: /^error: There is no command nonsense/ },
  { line: "predict cat.png", code: 2, err: /classify/ },
  { line: "train labeled", code: 2, err: /\bfit\b/ },
  { line: "download vgg16-imagenet", code: 2, err: /\bpull\b/ },
  { line: "list", code: 2, err: /\bmodels\b/ },
  { line: "clasify cat.png", code: 2, err: /did you mean classify\?/ },
  { line: "xyzzy", code: 2, err: /^error: There is no command xyzzy(?!.*did you mean)/ },
  { line: "cat.png", code: 2, err: /classify cat\.png/ },
  { line: "photos", code: 2, err: /classify photos/ },
  { line: "--top-k 3 classify cat.png", code: 2, err: /--top-k/ },
  { line: "worker -h", code: 0, out: /^Answers another program: pictures on standard input\.\n/ },
  { line: "worker cat.png", code: 2, err: /worker takes no files/ },
  { line: "worker --normalize", code: 2, err: /--normalize has no effect without --embed/ },
  { line: `worker ${M}`, code: 0, out: /^\{"protocol":1,"program":"vgg16 worker",.*\}\n$/ },
  { line: `classify ${M} cat.png`, code: 0, out: /^cat\.png {2}\(wasm, [\d.]+ ms\)\n {2}cat +\d/ },
  { line: `classify ${M} -k 1 cat.png`, code: 0, out: /^cat\.png.*\n {2}cat +[\d.]+ % {2}█+\n$/ },
  { line: `classify ${M} --topk=1 cat.png`, code: 0, out: /\n {2}cat +[\d.]+ % {2}█+\n$/ },
  {
    line: `classify ${M} cat.png photos/boats.jpg`,
    code: 0,
    out: /^cat [\d.]+ % {2}cat\.png\nship [\d.]+ % {2}photos\/boats\.jpg\n$/,
    err: SUM,
  },
  { line: `classify -q ${M} photos`, code: 0, out: /^ship .*boats\.jpg\ncat .*sub\/cat\.png\n$/ },
  {
    line: `classify -v ${M} cat.png`,
    code: 0,
    out: /^cat/,
    err: /: wasm int8, .* loaded in \d+ ms\n/,
  },
  { line: `classify ${M} --hidden photos`, code: 0, out: /photos\/\.hidden\.png/, err: /^3 of 3/ },
  {
    line: `classify ${M} --json cat.png`,
    code: 0,
    out:
      /^\{"program":"vgg16 classify","version":"[^"]+","model":"[^"]+","sha256":"\w{64}","precision":"int8".*"results":\[\n\{"file":"cat\.png","predictions":\[/,
  },
  {
    line: `classify ${M} --jsonl cat.png`,
    code: 0,
    out: /^\{"program".*\}\n\{"file":"cat\.png".*\}\n$/,
  },
  {
    line: `classify ${M} --csv photos`,
    code: 0,
    out: /^file,label,score,error\nphotos\/boats\.jpg,ship,0\.\d+,\n/,
    err: SUM,
  },
  {
    line: `classify ${M} --tsv cat.png`,
    code: 0,
    out: /^file\tlabel\tscore\terror\ncat\.png\tcat\t0\.\d+\t\n$/,
  },
  {
    line: `classify ${M} --json --csv cat.png`,
    code: 2,
    err: /--json and --csv exclude each other/,
  },
  { line: `classify ${M} gone.png`, code: 1, err: /^error: gone\.png: there is no such file/i },
  {
    line: `classify ${M} gone.png cat.png`,
    code: 1,
    out: /^cat /,
    err: /1 of 2 classified in [\d.]+ s, 1 could not be\n$/,
  },
  { line: `classify ${M} *.gif`, code: 2, err: /There is no file like \*\.gif/ },
  { line: `classify ${M} *.png`, code: 0, out: /^cat\.png {2}\(/ },
  { line: `classify ${M} photos/**/*.png`, code: 0, out: /^photos\/sub\/cat\.png/ },
  { line: `classify ${M} ~/own.png`, code: 0, out: /own\.png {2}\(/ },
  {
    line: `classify ${M} empty`,
    code: 2,
    err: /empty is a directory without images.* found 1 \.txt/,
  },
  { line: "classify", code: 2, err: /Expected at least one file/ },
  { line: `classify ${M} -`, code: 0, out: /^- {2}\(wasm/, stdin: CAT },
  { line: `classify ${M} - -`, code: 2, err: /- twice/, stdin: CAT },
  { line: `classify ${M} -`, code: 1, err: /standard input is empty/ },
  { line: `classify ${M} -`, code: 1, err: /several pictures/, stdin: concat([BOATS, CAT]) },
  {
    line: `classify ${M} -`,
    code: 1,
    err: /--files-from -/,
    stdin: text("cat.png\nphotos/boats.jpg\n"),
  },
  { line: `classify ${M} --files-from names.txt`, code: 0, out: /^cat .*\nship /, err: SUM },
  {
    line: `classify ${M} --files-from -`,
    code: 0,
    out: /^cat .*\nship /,
    err: SUM,
    stdin: text("cat.png\r\nphotos/boats.jpg"),
  },
  { line: `classify ${M} --files-from gone.txt`, code: 2, err: /Cannot read names from gone\.txt/ },
  {
    line: `classify ${M} --scales 16 cat.png photos`,
    code: 2,
    err: /^error: scales must be integers from 32/,
  },
  { line: `classify ${M} --allow kat photos`, code: 2, err: /no label "kat": did you mean "cat"/ },
  {
    // Scores are what they are among all labels: cat has nine tenths.
    line: `classify ${M} --deny cat -k 1 cat.png`,
    code: 0,
    out: /^cat\.png.*\n {2}(?!cat )[a-z]+ +1\.0 %\s*\n$/,
  },
  { line: `classify ${M} -k 0 cat.png`, code: 2, err: /--top-k must be an integer of at least 1/ },
  {
    line: `classify ${M} --topkk 1 cat.png`,
    code: 2,
    err: /There is no option --topkk: did you mean --top-k\?/,
  },
  { line: `classify ${M} cat.png --allow-read`, code: 2, err: /--allow-read/ },
  { line: `explain ${M} --out-dir unmade --label kat cat.png`, code: 2, err: /no label "kat"/ },
  {
    line: `explain ${M} --out-dir maps cat.png`,
    code: 0,
    out: /^cat [\d.]+ % {2}cat\.png -> maps\/cat\.png\n$/,
  },
  {
    line: `explain ${M} --out-dir parts --shard 2/2 cat.png photos/boats.jpg`,
    code: 0,
    out: /^cat [\d.]+ % {2}cat\.png -> parts\/cat\.png\n$/,
  },
  {
    line: `explain ${M} --out-dir parts --shard 1/2 cat.png photos/boats.jpg`,
    code: 0,
    out: /^ship [\d.]+ % {2}photos\/boats\.jpg -> parts\/photos\/boats\.png\n$/,
  },
  { line: `explain ${M} cat.png`, code: 2, err: /needs --out-dir DIR/ },
  { line: `embed ${M} --layer conv9 cat.png`, code: 2, err: /--layer must be one of/ },
  {
    line: `embed ${M} --pooling avg --layer pool5 --csv cat.png`,
    code: 0,
    out: /^file,error,v0,v1,.*\ncat\.png,,[\d.e-]+,.*\d\n$/,
  },
  { line: "classify --model my cat.png", code: 2, err: /Did you mean my\.safetensors\?/ },
  { line: "classify --model photos cat.png", code: 2, err: /photos is a folder/ },
  {
    line: "classify --model vgg.safetensors cat.png",
    code: 2,
    err: /is a safetensors checkpoint, not a model file/,
  },
  { line: "classify --model vgg16-imagenet20 cat.png", code: 2, err: /vgg16-imagenet200/ },
  { line: "convert my.safetensors --out x.safetensors", code: 2, err: /model file/ },
  { line: "convert vgg.safetensors", code: 2, err: /convert needs --out FILE/ },
  { line: "convert vgg.safetensors --out x.onnx", code: 2, err: /name it x\.safetensors/ },
  { line: `fit ${M} labeled --out x.h5`, code: 2, err: /name it x\.safetensors/ },
  {
    line: "fit labeled --scratch B --hidden 8 --out x.safetensors",
    code: 2,
    err: /--hidden does not go with --scratch/,
  },
  { line: `classify ${M} cat.png --out -`, code: 2, err: /results go to standard output/ },
  { line: `classify ${M} cat.png --out diary`, code: 2, err: /^error: Expected diary to hold/ },
  { line: `classify ${M} cat.png --force`, code: 2, err: /--force needs an output/ },
  { line: `classify ${M} photos --draw photos`, code: 2, err: /would be replaced/ },
  {
    line: `classify ${M} photos --draw new --dry-run`,
    code: 0,
    out: /^read +photos\/boats\.jpg\n.*\n.*\nwrite +new\/boats\.png\n/,
  },
  { line: `evaluate ${M} labeled`, code: 0, out: /top-1 100\.00 %/ },
  {
    line: `evaluate ${M} --shard 8/9 labeled`,
    code: 0,
    err: /No image falls to share 8 of 9/,
  },
  { line: `evaluate ${M}`, code: 2, err: /needs one directory or list/ },
  { line: "pull vgg16-imagenet200", code: 0, err: /part of/ },
  { line: "pull vgg16-imagnet", code: 2, err: /vgg16-imagenet/ },
  { line: "models path --cache-dir cache", code: 0, out: /cache\n$/ },
  {
    line: "models show vgg16-imagenet",
    code: 0,
    out: /^id +vgg16-imagenet\n[^]*\nIt is not here\. To download it: .* pull vgg16-imagenet\.\n$/,
  },
  { line: "models remove", code: 2, err: /remove/ },
  { line: `doctor --json ${M}`, code: 0, out: /"threads"/ },
  { line: `classify ${M} -q -v cat.png`, code: 2, err: /--quiet and --verbose/ },
  { line: `classify ${M} --backend webgpu --threads 2 cat.png`, code: 2, err: /no effect/ },
  { line: `classify ${M} cat.png`, code: 2, err: /VGG16_THREADS/, env: { VGG16_THREADS: "many" } },
  { line: "classify cat.png", code: 0, out: /^cat\.png/, env: { VGG16_MODEL: "my.safetensors" } },
  { line: `classify --offline ${M} http://127.0.0.1:9/x.png`, code: 1, err: /offline mode/ },
  { line: "completions bash", code: 0, out: /complete/ },
  { line: "man", code: 0, out: /^\.Dd|^\.TH/m },
];

const WORDS = /'([^']*)'|(\S+)/g;

Deno.test("command lines print what they should where they should, and end with the right code", () =>
  withFiles(FILES, async (folder) => {
    const waiting = [...LINES.entries()].reverse(), failed: string[] = [];
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const [, { line, code, out, err, stdin, env }] = next;
        const words = [...line.matchAll(WORDS)].map(([, quoted, word]) => quoted ?? word!);
        const run = await runCli(words, { cwd: folder, stdin, env });
        try {
          assertEquals(run.code, code);
          for (const [found, wanted] of [[run.stdout, out], [run.stderr, err]] as const) {
            if (wanted === undefined) assertEquals(found, "");
            else assertMatch(found, wanted);
            assert(!/^\s+at \S+ \(|os error/m.test(found));
          }
        } catch (error) {
          failed.push(
            `vgg16 ${line}\n${(error as Error).message}\n${run.code}\n${run.stdout}\n${run.stderr}`,
          );
        }
      }
    };
    await Promise.all([work(), work()]);
    assertEquals(failed.join("\n---\n"), "");
    // Nothing but what was asked for was written.
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    const given = new Set(Object.keys(FILES).map((path) => path.split("/")[0]!));
    assertEquals(names.filter((name) => !given.has(name)), ["maps", "parts"]);
    assertEquals(await Deno.readTextFile(join(folder, "diary")), "Dear diary");
  }));
