import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { Loading } from "../../lib/cli/loading.ts";
import { durationText, Pace, ProgressLine, type Screen } from "../../lib/cli/progress.ts";
import { cutEnd, cutMiddle, displayWidth } from "../../lib/cli/table.ts";
import type { Progress } from "../../lib/progress.ts";
import { CIFAR10 } from "../support/cifar10.ts";
import { serveFlaky } from "../support/flaky_server.ts";
import { screenOf, startOnTerminal, terminalTest } from "../support/pseudo_terminal.ts";
import { until } from "../support/serve_process.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** A screen that keeps what it is given, and a clock that stands still by itself. */
function fake(columns: number | undefined): {
  drawn: string[];
  told: string[];
  at: (seconds: number) => void;
  options: { clock: () => number; screen: Screen };
} {
  const drawn: string[] = [], told: string[] = [];
  let now = 5000;
  const screen: Screen = {
    canRedraw: () => columns !== undefined,
    columns: () => columns!,
    redraw: (line) => void drawn.push(line),
    erase: () => void drawn.push(""),
    tell: (line) => void told.push(line),
  };
  const at = (seconds: number): void => void (now = 5000 + 1000 * seconds);
  return { drawn, told, at, options: { clock: () => now, screen } };
}

Deno.test("a pace goes by what was done since it was first asked", () => {
  const pace = new Pace();
  assertEquals(pace.perSecond(300, 5000), 0);
  assertEquals(pace.perSecond(320, 9000), 5);
  assertEquals(pace.perSecond(380, 13000), 10);
});

Deno.test("times are read as clocks are", () => {
  assertEquals([0, 0.2, 12, 59.5, 60, 245, 3600, 14_273].map(durationText), [
    ...["0 s", "1 s", "12 s", "1:00", "1:00", "4:05", "1:00:00", "3:57:53"],
  ]);
});

Deno.test("a progress line takes the columns that there are, whatever its label is", () => {
  for (
    const label of [
      "Classifying",
      "Fetching vgg16-torchvision",
      "猫".repeat(60),
      "e\u0301👩‍🚀".repeat(50),
    ]
  ) {
    for (const columns of [200, 120, 80, 60, 50]) {
      const { drawn, at, options } = fake(columns);
      const line = new ProgressLine(label, options);
      const about = { stage: "pull", unit: "bytes", total: 553_433_881 } as const;
      line.show({ ...about, done: 0 });
      line.show({ ...about, done: 1 });
      at(3);
      line.show({ ...about, done: 119_000 });
      const widths = drawn.map(displayWidth);
      assert(widths.every((width) => width <= columns), `${columns}: ${drawn.join("\n")}`);
      assertMatch(drawn[1], / 0\.1 MB of 553\.4 MB, 0\.0 MB\/s {2}3:52:30 left$/);
    }
  }
});

Deno.test("a progress line on 77 columns has a bar, and a long label without its middle", () => {
  const { drawn, at, options } = fake(77);
  const line = new ProgressLine("Fetching vgg16-torchvision", options);
  for (const [seconds, done] of [[0, 0], [30, 1], [30.05, 2], [40, 100e6]] as const) {
    at(seconds);
    line.show({ stage: "pull", unit: "bytes", total: 553_433_881, done });
  }
  line[Symbol.dispose]();
  assertEquals(drawn, [
    "Fetching vgg16-torchvision ░░░░░░░░░░░░░░░░░░░░░░░░ 0.0 MB of 553.4 MB",
    "Fetching vgg16-torchvision ░░░░░░░░░░░░░░░░░░░░░░░░ 0.0 MB of 553.4 MB",
    "Fetching vgg…-torchvision █░░░░░░░ 100.0 MB of 553.4 MB, 10.0 MB/s  46 s left",
    "",
  ]);
});

Deno.test("where no line can take another's place there is one every 30 seconds", () => {
  const { drawn, told, at, options } = fake(undefined);
  using line = new ProgressLine("Classifying", options);
  for (const [seconds, done] of [[0, 0], [1, 30], [29, 1000], [30, 1050], [45, 1600], [61, 2135]]) {
    at(seconds);
    line.update(done, 50_000);
  }
  at(62);
  line.update(50_000, 50_000);
  assertEquals([drawn, told], [[], [
    "Classifying: 1050 of 50000, 35.0/s, 23:19 left",
    "Classifying: 2135 of 50000, 35.0/s, 22:48 left",
  ]]);
});

Deno.test("what is soon over shows nothing, where that is asked for", () => {
  const { drawn, at, options } = fake(80);
  const line = new ProgressLine("Loading", { ...options, delayMs: 500 });
  line.update(1, 3);
  at(0.4);
  line.update(2, 3);
  assertEquals(drawn, []);
  at(0.6);
  line.update(3, 3);
  assertEquals(drawn.length, 1);
});

Deno.test("a text is cut in its middle, or at its end, and no character is", () => {
  assertEquals(cutMiddle("vgg16-torchvision", 17), "vgg16-torchvision");
  assertEquals(cutMiddle("vgg16-torchvision", 9), "vgg1…sion");
  assertEquals(cutMiddle("猫猫猫猫", 6), "猫…猫");
  assertEquals(cutMiddle("e\u0301e\u0301e\u0301e\u0301", 3), "e\u0301…e\u0301");
  assertEquals(cutMiddle("cat", 0), "");
  assertEquals(cutEnd("猫猫", 3), "猫");
  assertEquals(cutEnd("e\u0301e\u0301", 1), "e\u0301");
});

Deno.test("loading says once what it fetches, from where, how much, and where that is kept", () => {
  const { drawn, told, at, options } = fake(undefined);
  using loading = new Loading("vgg16-torchvision", { cacheDir: "/models" }, options);
  const file = "https://download.pytorch.org/models/vgg16-397923af.pth";
  const events: Progress[] = [
    { stage: "pull", unit: "bytes", file, done: 0, total: 553_433_881 },
    { stage: "pull", unit: "bytes", file, done: 10_000_000, total: 553_433_881 },
    { stage: "pull", unit: "bytes", file, done: 120_000_000, total: 553_433_881 },
    { stage: "convert", unit: "weights", file, done: 0, total: 138_000_000 },
    { stage: "convert", unit: "weights", file, done: 138_000_000, total: 138_000_000 },
    {
      stage: "load",
      unit: "bytes",
      file: "/models/vgg16-torchvision.safetensors",
      done: 1,
      total: 138e6,
    },
    { stage: "tune", unit: "trials", done: 1 },
    { stage: "tune", unit: "trials", done: 2 },
    { stage: "classify", unit: "images", done: 2 },
  ];
  events.forEach((event, n) => {
    at(31 * n);
    loading.callbacks.onProgress(event);
  });
  assertEquals(drawn.filter(Boolean), []);
  assertEquals(told, [
    "Fetching vgg16-torchvision from download.pytorch.org, 553.4 MB, kept in /models",
    "Fetching vgg16-torchvision: 10.0 MB of 553.4 MB",
    "Fetching vgg16-torchvision: 120.0 MB of 553.4 MB, 3.5 MB/s, 2:03 left",
    "Converting vgg16-torchvision",
    "Converting vgg16-torchvision: 100 %",
    "Trying kernels on this GPU, once: kept in /models",
    "Trying kernels: 2 trials",
  ]);
});

Deno.test("loading says that a model of a URL is not kept, and nothing of a small one", () => {
  const { told, options } = fake(80);
  using loading = new Loading(undefined, {}, options);
  const about = { stage: "load", unit: "bytes", done: 1 } as const;
  loading.show({ ...about, file: "https://example.org/small.safetensors", total: 5e6 });
  loading.show({ ...about, file: "https://example.org/large.safetensors", total: 50e6 });
  assertEquals(told, ["Fetching the model from example.org, 50.0 MB, not kept"]);
});

const CLI = `"${Deno.execPath()}" run --quiet --no-prompt --no-check --allow-all cli.ts`;
const TERMINAL = { columns: 80, cwd: ROOT };

/** What was drawn, one after the other. */
const drawings = (written: string): string[] =>
  // deno-lint-ignore no-control-regex -- what erases a line
  [...written.matchAll(/\r\x1b\[K([^\r\n]+)/g)].map(([, line]) => line);

terminalTest(
  "a terminal's progress stays on one line, in whose place the end is told",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
    const env = { TERM: "xterm", NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" };
    for (let n = 0; n < 30; n++) {
      await Deno.symlink(join(ROOT, "tests/data/photos/rocket.jpg"), join(folder, `${n}.jpg`));
    }
    const command = `${CLI} classify --model ${CIFAR10} ${folder} > /dev/null`;
    for (const [term, isShown] of [["xterm", true], ["dumb", false]] as const) {
      const program = startOnTerminal(command, { ...TERMINAL, env: { ...env, TERM: term } });
      assertEquals(await program.ended, 0, program.written());
      const lines = drawings(program.written());
      assertEquals(lines.length > 1, isShown, term);
      assertEquals(program.written().includes("\x1b"), isShown);
      assertEquals(lines.filter((line) => displayWidth(line) > 79), []);
      const screen = screenOf(program.written()).filter(Boolean);
      assert(screen.length <= 1 && !/[█░]/.test(screen.join()), screen.join("\n"));
    }
    await Deno.remove(folder, { recursive: true });
  },
);

terminalTest(
  "a terminal's download takes one line of 80 columns, and Ctrl-C removes it",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
    await using server = serveFlaky(() => ({
      status: 200,
      headers: { "content-length": "553433881" },
      body: new Uint8Array(2 ** 22),
      cutAfter: 2 ** 22 - 1,
      isHeld: true,
    }));
    for (const command of ["pull vgg16-torchvision", "profile --model vgg16-torchvision"]) {
      const env = { TERM: "xterm", NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" };
      const program = startOnTerminal(`${CLI} ${command}`, {
        ...TERMINAL,
        env: { ...env, VGG16_CACHE_DIR: folder, VGG16_BASE_URL: server.url },
      });
      await until(() => drawings(program.written()).length > 0);
      await program.type("\x03");
      assertEquals(await program.ended, 130, program.written());
      const lines = drawings(program.written());
      assert(lines.some((line) => line.includes(" MB of 553.4 MB")), program.written());
      // The terminal itself adds "^C".
      assertEquals(lines.filter((line) => displayWidth(line) > 79), []);
      const { host } = new URL(server.url);
      assertEquals(screenOf(program.written()).filter(Boolean), [
        `Fetching vgg16-torchvision from ${host}, 553.4 MB, kept in ${folder}`,
      ]);
      await Deno.remove(folder, { recursive: true });
    }
  },
);
