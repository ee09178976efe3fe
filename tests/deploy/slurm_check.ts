/**
 * Runs `deploy/slurm.sh` on a cluster of Slurm that it starts on this machine, with what happens to such jobs: a task is
 * cancelled, one is queued again, one runs out of time, two are repeated. Then the set has to be whole, and each part
 * the same bytes as those of one process. It takes two minutes, and Debian's `slurm-wlm` and `munge`:
 *
 * ```sh
 * deno run --no-lock --allow-all tests/deploy/slurm_check.ts
 * ```
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { fromFileUrl, join } from "@std/path";
import { pngOf } from "../support/picture_folder.ts";
import { runCli } from "../support/run_cli.ts";
import { SlurmCluster } from "./slurm_cluster.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const PARTS = 8, PICTURES = 400;

const tell = (text: string): void =>
  console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);

/** 400 pictures of CIFAR-10, 32x32. */
async function makePictures(folder: string): Promise<void> {
  await Deno.mkdir(folder);
  for (let n = 0; n < PICTURES; n++) {
    const name = `${String(n).padStart(3, "0")}.png`;
    await Deno.writeFile(join(folder, name), await pngOf(n % 10, Math.floor(n / 10)));
  }
}

/** What a folder has, by name: which file it is, and its text. */
async function filesOf(folder: string): Promise<Map<string, { file: string; text: string }>> {
  const files = new Map<string, { file: string; text: string }>();
  for (const { name } of [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = join(folder, name), { ino, mtime } = await Deno.stat(path);
    files.set(name, { file: `${ino} ${mtime?.getTime()}`, text: await Deno.readTextFile(path) });
  }
  return files;
}

const numbersOf = (files: ReadonlyMap<string, unknown>): number[] =>
  [...files.keys()].map((name) => Number(/^part-(\d+)\.\w+\.jsonl$/.exec(name)?.[1]));

async function check(folder: string, cluster: SlurmCluster): Promise<void> {
  const data = join(folder, "data"), results = join(data, "results"), alone = join(data, "alone");
  await Deno.mkdir(results, { recursive: true });
  await makePictures(join(data, "pictures"));
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(args);
    return { code, said: stdout + stderr };
  };
  const parts = join(data, "parts");
  const manifest = await cli(
    ...["manifest", join(data, "pictures"), "--out-dir", parts],
    ...["--part-size", `${PICTURES / PARTS}`],
  );
  assertEquals(manifest.code, 0, manifest.said);
  tell(manifest.said.trim());
  const whole = await cli(
    ...["classify", "--manifest", parts, "--out-dir", alone, "--threads", "1"],
  );
  assertEquals(whole.code, 0, whole.said);
  tell(`one process, to compare with: ${whole.said.trim().split("\n").at(-1)}`);
  const expected = await filesOf(alone);

  const env = { PROJECT: ROOT, DATA: data, TASKS: `${PARTS}`, ...denoDir() };
  const submit = async (array: string): Promise<string> => {
    const said = await cluster.runIn(
      ...[folder, env, "sbatch", `--array=${array}`, join(ROOT, "deploy/slurm.sh")] as const,
    );
    tell(`sbatch --array=${array}: ${said.trim()}`);
    return /\d+/.exec(said)![0];
  };
  /** Resolves when a task is amid its part. */
  const atWork = async (job: string, task: number): Promise<void> => {
    while ((await cluster.tasks(job)).get(task)?.state !== "RUNNING") await delay(100);
    await delay(2000); // The model is open after one.
    const done = numbersOf(await filesOf(results));
    assert(!done.includes(task), `task ${task} was done before anything could happen to it`);
  };
  const tellTasks = async (job: string): Promise<void> => {
    for (const [task, { state, restarts, exitCode }] of [...await cluster.tasks(job)].sort()) {
      tell(`  task ${task}: ${state}, started again ${restarts} times, exit ${exitCode}`);
    }
  };
  const merge = () => cli("merge", "--manifest", parts, results);

  const first = await submit(`1-${PARTS}`);
  await atWork(first, 3);
  await cluster.run("scancel", `${first}_3`);
  tell(`scancel ${first}_3`);
  await atWork(first, 5);
  await cluster.run("scontrol", "requeue", `${first}_5`);
  tell(`scontrol requeue ${first}_5`);
  await cluster.whenIdle();
  await tellTasks(first);
  const tasks = await cluster.tasks(first);
  assertEquals(tasks.get(3)!.state, "CANCELLED");
  assertEquals([tasks.get(5)!.state, tasks.get(5)!.restarts], ["COMPLETED", 1]);
  const before = await filesOf(results);
  assertEquals(numbersOf(before), [1, 2, 4, 5, 6, 7, 8]);
  const lacking = await merge();
  tell(`merge, exit ${lacking.code}: ${lacking.said.trim().replaceAll("\n", " | ")}`);
  assertEquals(lacking.code, 1);
  assertStringIncludes(lacking.said, "part 3 is missing");

  const second = await submit("3,7");
  await cluster.whenIdle();
  await tellTasks(second);
  const after = await filesOf(results);
  assertEquals(numbersOf(after), [1, 2, 3, 4, 5, 6, 7, 8]);
  for (const [name, { file }] of before) {
    assertEquals(after.get(name)!.file, file, `${name} was written again`);
  }
  tell("part 3 is there, and part 7, which was, is the same file as before");

  const [lost] = after.keys(); // Part 1.
  await Deno.remove(join(results, lost!));
  const third = await submit("1");
  await atWork(third, 1);
  // What Slurm sends before the time is over.
  await cluster.run("scancel", "--batch", "--signal=USR1", `${third}_1`);
  tell(`the time of ${third}_1 is said to be over`);
  await cluster.whenIdle();
  await tellTasks(third);
  assertEquals((await cluster.tasks(third)).get(1)!.restarts, 1);

  const last = await merge();
  tell(`merge, exit ${last.code}: ${last.said.trim()}`);
  assertEquals(last.code, 0);
  const found = await filesOf(results);
  assertEquals([...found.keys()], [...expected.keys()]);
  for (const [name, { text }] of expected) assertEquals(found.get(name)!.text, text, name);
  tell("all parts are the bytes that one process wrote");
}

/** Where Deno keeps what it has compiled: not the script's own place for it. */
function denoDir(): { DENO_DIR: string } {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  return { DENO_DIR: JSON.parse(new TextDecoder().decode(stdout)).denoDir };
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-slurm-" });
  await Deno.mkdir(join(folder, "slurm"));
  let isRight = false;
  try {
    await using cluster = await SlurmCluster.start(join(folder, "slurm"));
    tell(`${(await cluster.run("sinfo", "--version")).trim()}: ${folder}`);
    await check(folder, cluster);
    isRight = true;
  } finally {
    if (isRight) await Deno.remove(folder, { recursive: true });
    else tell(`logs are kept: ${folder}`);
  }
}
