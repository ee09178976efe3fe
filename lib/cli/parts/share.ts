/** Which of many workers this is, by the scheduler that started it. */

import { readPermitted } from "../../environment.ts";
import { UsageError } from "../usage_error.ts";

/** Worker `index` of `count`, 1 … count. */
export interface Share {
  readonly index: number;
  readonly count: number;
}

type Env = (name: string) => string | undefined;

/** Where a scheduler says which task this is. */
interface Scheduler {
  readonly name: string;
  /** The variable with the task's own number. */
  readonly index: string;
  /** The number of the first task. */
  readonly first: 0 | 1;
  /**
   * The variable with the number of tasks, whichever of them run. GNU parallel has none, and Slurm's counts those of
   * this array alone, which `--array=3,7` makes 2 of whatever there were before.
   */
  readonly count?: string;
}

const SCHEDULERS: readonly Scheduler[] = [
  {
    name: "Kubernetes Indexed Job",
    index: "JOB_COMPLETION_INDEX",
    first: 0,
    // Kubernetes does not give it: a manifest sets it.
    count: "JOB_COMPLETIONS",
  },
  { name: "Slurm array", index: "SLURM_ARRAY_TASK_ID", first: 1 },
  {
    name: "AWS Batch array",
    index: "AWS_BATCH_JOB_ARRAY_INDEX",
    first: 0,
    count: "AWS_BATCH_JOB_ARRAY_SIZE",
  },
  { name: "Cloud Run job", index: "CLOUD_RUN_TASK_INDEX", first: 0, count: "CLOUD_RUN_TASK_COUNT" },
  { name: "GNU parallel", index: "PARALLEL_SEQ", first: 1 },
];

/** In words, for help. */
export const SCHEDULER_NAMES: readonly string[] = SCHEDULERS.map(({ name }) => name);

/**
 * The share that an option asks for: `I/N`, `auto/N`, whose I is the task's own number, or `auto`.
 *
 * @param option `--part`, for messages.
 * @param known The number of shares where it is known by itself.
 * @throws {UsageError} If it is none of these with I from 1 to N, or nothing gives what `auto` stands for.
 */
export function parseShare(
  text: string,
  option: string,
  known?: number,
  env: Env = readPermitted,
): Share {
  const [first, second, ...more] = text.split("/");
  const count = second === undefined ? undefined : wholeOf(second);
  const share = first === "auto"
    ? ownShare(option, count ?? known, env)
    : { index: wholeOf(first!), count: count ?? NaN };
  const isWhole = Number.isSafeInteger(share.index) && Number.isSafeInteger(share.count);
  if (isWhole && share.index >= 1 && share.index <= share.count && more.length === 0) return share;
  throw new UsageError(
    `Option ${option} needs I/N with I from 1 to N, auto/N or auto: found "${text}"` +
      (first === "auto" ? `, which is ${share.index}/${share.count}` : ""),
  );
}

function wholeOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : NaN;
}

function ownShare(option: string, count: number | undefined, env: Env): Share {
  // A manifest may set a variable to nothing.
  const scheduler = SCHEDULERS.find(({ index }) => env(index));
  if (scheduler === undefined) {
    const names = SCHEDULERS.map(({ name, index }) => `${index} (${name})`);
    throw new UsageError(
      `${option} auto needs one of the variables ${names.join(", ")}, and --allow-env for it`,
    );
  }
  const own = Number(env(scheduler.index));
  if (scheduler.first === 1 && own === 0) {
    throw new UsageError(
      `${option} auto counts tasks from 1: ${scheduler.index} is 0. Number them 1 to N, as by --array=1-N`,
    );
  }
  const told = scheduler.count && env(scheduler.count);
  const total = count ?? (told === undefined || told === "" ? undefined : Number(told));
  if (total === undefined) {
    const how = scheduler.count === undefined
      ? `which ${scheduler.name} does not tell, whichever tasks run: say auto/N`
      : `which nothing tells: set ${scheduler.count}, or say auto/N`;
    throw new UsageError(`${option} auto needs the number of parts, ${how}`);
  }
  return { index: own - scheduler.first + 1, count: total };
}
