import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { parse, parseAll } from "@std/yaml";
import { parseArguments } from "../../lib/cli/arguments.ts";
import { allOptions } from "../../lib/cli/command.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { MAY_PASS, PARTS_OPTIONS, TOO_MANY_ERRORS } from "../../lib/cli/parts/run_parts.ts";
import { parseShare } from "../../lib/cli/parts/share.ts";
import { blocksOf } from "../support/markdown.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const read = (name: string) => Deno.readTextFile(join(ROOT, name));

// deno-lint-ignore no-explicit-any -- documents of Kubernetes and clouds, of which a few fields are looked at
type Document = any;

async function kubernetesJobs(): Promise<Record<string, Document>> {
  const jobs: Document[] = parseAll(await read("deploy/kubernetes_job.yaml")) as Document[];
  return Object.fromEntries(jobs.map((job) => [job.metadata.name, job.spec]));
}

const containerOf = (job: Document): Document => job.template.spec.containers[0];

/** What stands for variables of a shell, and how their expansion is written. */
const EXPANSION = /\$\{(\w+):-([^}]*)\}|\$\{?(\w+)\}?/g;

/** The words of the commands of a shell's text that run the command line, with defaults for what is not set. */
function commandsIn(text: string): string[][] {
  const set = new Map([...text.matchAll(/^(\w+)=\$\{\1:-([^}]*)\}$/gm)].map(([, k, v]) => [k, v]));
  const lines = text.replaceAll(/\\\n\s*/g, " ").split("\n").filter((line) => !/^\s*#/.test(line));
  return lines.filter((line) => /\bcli\.ts\b|(^|\s)vgg16 [a-z]/.test(line)).map((line) => {
    const whole = line.replaceAll(
      EXPANSION,
      (_, name, value, other) => value ?? set.get(other ?? name) ?? "1",
    ).replaceAll("{}", "1").replace(/\s+(&|#.*|:::.*)$/, "");
    return (whole.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [])
      .map((word) => word.replaceAll(/["']/g, ""));
  });
}

/** A command line, and the file that has it. */
interface Shown {
  readonly file: string;
  readonly words: readonly string[];
}

/** All command lines of the material for bulk work. */
async function bulkCommands(): Promise<readonly Shown[]> {
  const jobs = Object.values(await kubernetesJobs()).map(containerOf);
  const cloudRun = parse(await read("deploy/cloud_run_job.yaml")) as Document;
  const batch = JSON.parse(await read("deploy/aws_batch.json")).containerProperties;
  const page = blocksOf(await read("docs/bulk.md")).filter(({ kind }) => kind.startsWith("sh"));
  const inShell = (file: string, text: string): Shown[] =>
    commandsIn(text).map((words) => ({ file, words }));
  const inYaml = (file: string, { command, args }: Document): Shown => ({
    file,
    words: [...command, ...args],
  });
  return [
    ...jobs.map((container) => inYaml("kubernetes_job.yaml", container)),
    inYaml("cloud_run_job.yaml", containerOf(cloudRun.spec.template.spec)),
    { file: "aws_batch.json", words: batch.command },
    ...inShell("slurm.sh", await read("deploy/slurm.sh")),
    ...page.flatMap(({ text }) => inShell("bulk.md", text)),
  ];
}

Deno.test("each command line of the material for bulk work is one that the program takes", async () => {
  const commands = await bulkCommands();
  assert(commands.length >= 8, `${commands.length}`);
  for (const { file, words } of commands) {
    const line = `${file}: ${words.join(" ")}`;
    const at = words.findIndex((word) => word === "cli.ts" || word === "vgg16");
    const [name, ...args] = words.slice(at + 1), info = COMMANDS[name!];
    assert(info !== undefined, line);
    const { operands, options } = parseArguments(args, allOptions(await info.load()));
    const { manifest, outDir, part } = options as Record<string, string | undefined>;
    if (name === "manifest") assert(operands.length === 1 && outDir !== undefined, line);
    else if (name === "merge") assert(operands.length === 1 && manifest !== undefined, line);
    else assert(operands.length === 0 && manifest !== undefined && outDir !== undefined, line);
    if (part !== undefined) {
      // Throws unless it is a share of some number of parts.
      parseShare(part, "--part", 100, (name) => name === "SLURM_ARRAY_TASK_ID" ? "1" : undefined);
    }
    if (words[at] === "cli.ts") checkPermissions(words.slice(0, at), options, operands, line);
  }
});

/** Each has what it needs to read and write, and nothing else. */
function checkPermissions(
  flags: readonly string[],
  options: Readonly<Record<string, unknown>>,
  operands: readonly string[],
  line: string,
): void {
  const paths = (name: string): string[] =>
    flags.flatMap((flag) =>
      flag.startsWith(`--allow-${name}=`) ? flag.slice(flag.indexOf("=") + 1).split(",") : []
    );
  const reads = paths("read"), writes = paths("write"), variables = paths("env");
  const isBelow = (path: unknown, folders: readonly string[]): boolean =>
    folders.some((folder) => `${path}/`.startsWith(`${folder}/`));
  assertEquals(flags.filter((flag) => /^(-A|--allow-(all|run|sys|ffi))\b/.test(flag)), [], line);
  assertEquals(flags.filter((flag) => /^--allow-\w+$/.test(flag)), [], line);
  for (const wanted of ["--no-prompt", "--cached-only"]) assert(flags.includes(wanted), line);
  const { manifest, outDir, out, part } = options;
  const written = [outDir, out].filter((path) => path !== undefined);
  // Exactly what it writes, and what is written is read as well.
  assertEquals(writes.length, written.length, line);
  for (const path of written) assert(isBelow(path, writes) && isBelow(path, reads), line);
  for (const path of [manifest, ...operands]) {
    assert(path === undefined || isBelow(path, reads), line);
  }
  assert(reads.includes("lib"), line);
  // The model is part of the program.
  assert(!reads.includes("weights"), line);
  assertEquals(variables.length > 0, String(part).startsWith("auto"), line);
}

Deno.test("the Kubernetes jobs are alike but for their step, and have few rights", async () => {
  const jobs = await kubernetesJobs();
  assertEquals(Object.keys(jobs), ["vgg16-manifest", "vgg16-classify", "vgg16-merge"]);
  const [, user] = /^USER (\d+)$/m.exec(await read("deploy/Containerfile"))!;
  for (const { template } of Object.values(jobs)) {
    const { containers, securityContext, ...pod } = template.spec;
    const [{ resources, securityContext: own, volumeMounts }] = containers;
    assertEquals(securityContext.runAsNonRoot, true);
    assertEquals(securityContext.fsGroup, Number(user));
    assertEquals([pod.restartPolicy, pod.automountServiceAccountToken], ["Never", false]);
    const kserve = parse(await read("deploy/kserve.yaml")) as Document;
    assertEquals(own, kserve.spec.predictor.containers[0].securityContext);
    assertEquals(Object.keys(resources), ["requests", "limits"]);
    assertEquals(
      volumeMounts.map(({ name }: Document) => name),
      pod.volumes.map(({ name }: Document) => name),
    );
  }
});

Deno.test("a part is a completion of the Kubernetes job, and each exit code has its consequence", async () => {
  const { "vgg16-classify": job } = await kubernetesJobs(), container = containerOf(job);
  assertEquals([job.completionMode, job.podReplacementPolicy], ["Indexed", "Failed"]);
  assert(container.args.includes("--part=auto"));
  assert(job.parallelism <= job.completions && job.maxFailedIndexes < job.completions);
  // The first rule that matches counts: a pod that is evicted has an exit code as well.
  const rules: Document[] = job.podFailurePolicy.rules, [first] = rules;
  assertEquals([first.action, first.onPodConditions[0].type], ["Ignore", "DisruptionTarget"]);
  const actions = Object.fromEntries(
    rules.slice(1).flatMap(({ action, onExitCodes }) =>
      onExitCodes.values.map((code: number) => [code, action])
    ),
  );
  assertEquals(actions, { 2: "FailIndex", [TOO_MANY_ERRORS]: "FailIndex", [MAY_PASS]: "Count" });
  for (const { onExitCodes } of rules.slice(1)) {
    assertEquals(onExitCodes.containerName, container.name);
  }
  // Otherwise there are as many threads as the node has processors.
  const [{ name, valueFrom }] = container.env;
  assertEquals([name, valueFrom.resourceFieldRef.resource], ["VGG16_THREADS", "limits.cpu"]);
  assertStringIncludes(container.args[0], "VGG16_THREADS");
});

Deno.test("AWS Batch does not repeat what Kubernetes does not repeat", async () => {
  const { retryStrategy } = JSON.parse(await read("deploy/aws_batch.json"));
  const exits = retryStrategy.evaluateOnExit.filter(({ action }: Document) => action === "EXIT");
  assertEquals(
    exits.map(({ onExitCode }: Document) => Number(onExitCode)),
    [2, TOO_MANY_ERRORS],
  );
});

/** What came of the script of Slurm, where the program and `scontrol` are others. */
interface SlurmRun {
  readonly code: number;
  /** What `scontrol` was called with. */
  readonly calls: string;
  /** What the program was started with. */
  readonly words: string;
}

/** Runs the script as a task whose program does what a shell's text says. */
async function runSlurmScript(
  program: string,
  { restarts, signal }: { readonly restarts?: number; readonly signal?: Deno.Signal } = {},
): Promise<SlurmRun> {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const stub = (name: string, text: string) =>
      Deno.writeTextFile(join(folder, name), `#!/bin/bash\n${text}\n`, { mode: 0o755 });
    // The script has to be ready for signals by then.
    await stub("deno", `sleep 0.2; echo "$@" > ${folder}/words\n${program}`);
    await stub("scontrol", `echo "$@" >> ${folder}/calls`);
    const child = new Deno.Command("bash", {
      args: [join(ROOT, "deploy/slurm.sh")],
      env: {
        ...{ PATH: `${folder}:${Deno.env.get("PATH")}`, PROJECT: folder, DATA: "/data" },
        ...{ SLURM_ARRAY_JOB_ID: "12", SLURM_ARRAY_TASK_ID: "3", SLURM_CPUS_PER_TASK: "2" },
        ...restarts !== undefined && { SLURM_RESTART_COUNT: `${restarts}` },
      },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const text = (name: string) => Deno.readTextFile(join(folder, name)).catch(() => "");
    while (signal !== undefined && await text("words") === "") {
      await new Promise((go) => setTimeout(go, 20));
    }
    if (signal !== undefined) child.kill(signal);
    const { code } = await child.status;
    return { code, calls: await text("calls"), words: await text("words") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a Slurm task is queued again where it may pass or the time is over, and not otherwise", {
  ignore: Deno.build.os === "windows",
}, async () => {
  for (const code of [0, 1, 2, TOO_MANY_ERRORS, 143]) {
    const run = await runSlurmScript(`exit ${code}`);
    assertEquals([run.code, run.calls], [code, ""]);
    assertStringIncludes(run.words, "--part auto/64 --out-dir /data/results");
    assertStringIncludes(run.words, "--threads 2");
  }
  const requeued = "requeue 12_3\n";
  assertEquals((await runSlurmScript(`exit ${MAY_PASS}`)).calls, requeued);
  assertEquals((await runSlurmScript(`exit ${MAY_PASS}`, { restarts: 19 })).calls, requeued);
  const last = await runSlurmScript(`exit ${MAY_PASS}`, { restarts: 20 });
  assertEquals([last.code, last.calls], [MAY_PASS, ""]);
});

Deno.test("Slurm's signals reach the program, which has the time to end", {
  ignore: Deno.build.os === "windows",
}, async () => {
  // Ends half a second after it was told to, as one does that has files to remove.
  const program = `trap 'sleep 0.5; exit 143' TERM; while :; do sleep 0.05; done`;
  const over = await runSlurmScript(program, { signal: "SIGUSR1" });
  assertEquals([over.code, over.calls], [143, "requeue 12_3\n"]);
  const cancelled = await runSlurmScript(program, { signal: "SIGTERM" });
  assertEquals([cancelled.code, cancelled.calls], [143, ""]);
});

Deno.test("the Slurm script's array is as large as it says to the program", async () => {
  const text = await read("deploy/slurm.sh");
  const [, array] = /^#SBATCH --array=1-(\d+)$/m.exec(text)!;
  assertStringIncludes(text, `TASKS=\${TASKS:-${array}}`);
});

Deno.test("the page on bulk work says the exit codes and the default of --max-errors", async () => {
  const page = await read("docs/bulk.md");
  for (const code of [0, 2, TOO_MANY_ERRORS, MAY_PASS]) assertStringIncludes(page, `| ${code} |`);
  assertStringIncludes(page, PARTS_OPTIONS.maxErrors.default.replace("%", " %"));
});

Deno.test("the jobs of Ray and Spark import what the worker's module has", async () => {
  const module = await read("integrations/python/vgg16_worker.py");
  const [, all] = /^__all__ = \[([^\]]*)\]/m.exec(module)!;
  for (const name of ["ray_job.py", "spark_job.py"]) {
    const [, names] = /^from vgg16_worker import (.*)$/m.exec(await read(`deploy/${name}`))!;
    for (const imported of names!.split(", ")) assertStringIncludes(all!, `"${imported}"`, name);
  }
});
