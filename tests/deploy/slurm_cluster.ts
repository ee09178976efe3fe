/**
 * A cluster of Slurm with one node, this machine, which is there as long as it is wanted. Everything listens on loopback,
 * lies in one folder, and is ended by who started it.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { join } from "@std/path";
import { freePort, until } from "../support/serve_process.ts";

/** A task of an array, as `scontrol show job` has it. */
export interface Task {
  readonly state: string;
  /** How often it was queued again. */
  readonly restarts: number;
  /** Of the script, and the signal that ended it. */
  readonly exitCode: string;
}

/** What is started, in this order, and ended in the opposite one. */
const DAEMONS = (folder: string): readonly (readonly [name: string, ...args: string[]])[] => {
  const at = (name: string) => join(folder, name);
  return [
    [
      ...["munged", "--foreground", "--force", `--key-file=${at("munge.key")}`] as const,
      ...[`--socket=${at("munge.socket")}`, `--pid-file=${at("munged.pid")}`],
      ...[`--log-file=${at("munged.log")}`, `--seed-file=${at("munge.seed")}`],
    ],
    ["slurmctld", "-D", "-i"],
    ["slurmd", "-D", "-N", "node1"],
  ];
};

export class SlurmCluster implements AsyncDisposable {
  readonly #env: Record<string, string>;
  readonly #processes: Deno.ChildProcess[] = [];

  private constructor(folder: string) {
    this.#env = { SLURM_CONF: join(folder, "slurm.conf") };
  }

  /** Starts it, with two processors, in an empty folder. */
  static async start(folder: string): Promise<SlurmCluster> {
    const key = crypto.getRandomValues(new Uint8Array(128));
    await Deno.writeFile(join(folder, "munge.key"), key, { mode: 0o400 });
    for (const name of ["state", "spool"]) await Deno.mkdir(join(folder, name));
    await Deno.writeTextFile(join(folder, "slurm.conf"), configuration(folder));
    const cluster = new SlurmCluster(folder);
    try {
      for (const [name, ...args] of DAEMONS(folder)) {
        const log = await Deno.open(join(folder, `${name}.out`), { create: true, write: true });
        const child = new Deno.Command(name, {
          ...{ args, env: cluster.#env, stdin: "null", stdout: "null", stderr: "piped" },
        }).spawn();
        child.stderr.pipeTo(log.writable).catch(() => {});
        cluster.#processes.push(child);
        await delay(1000); // Who comes too early for the one before tries again after ten seconds only.
      }
      await until(async () => /\bidle\b/.test(await cluster.run("sinfo", "--noheader")));
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** Runs one of Slurm's commands. Resolves to what it prints. */
  async run(command: string, ...args: string[]): Promise<string> {
    return await this.runIn(undefined, {}, command, ...args);
  }

  /** Runs one in a folder, with variables that jobs get. */
  async runIn(
    cwd: string | undefined,
    env: Readonly<Record<string, string>>,
    command: string,
    ...args: string[]
  ): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      ...{ args, env: { ...env, ...this.#env } },
      ...cwd !== undefined && { cwd },
    }).output();
    const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    if (!success) throw new Error(`${command} ${args.join(" ")}: ${errors}`);
    return out!;
  }

  /** The tasks of an array, by their numbers. Those that wait together are not among them. */
  async tasks(job: string): Promise<ReadonlyMap<number, Task>> {
    const text = await this.run("scontrol", "show", "job", job), found = new Map<number, Task>();
    for (const task of text.split("\n\n")) {
      const value = (name: string) => new RegExp(`\\b${name}=(\\S+)`).exec(task)?.[1] ?? "";
      if (!/^\d+$/.test(value("ArrayTaskId"))) continue;
      found.set(Number(value("ArrayTaskId")), {
        state: value("JobState"),
        restarts: Number(value("Restarts")),
        exitCode: value("ExitCode"),
      });
    }
    return found;
  }

  /** Resolves once no task is queued or runs. */
  async whenIdle(): Promise<void> {
    while ((await this.run("squeue", "--noheader")).trim() !== "") await delay(500);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes.toReversed()) {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended by itself.
      }
      await child.status;
    }
  }
}

/** Without cgroups and without accounts, which take more than one user's processes. */
function configuration(folder: string): string {
  const { hostname, user } = { hostname: Deno.hostname().split(".")[0], user: Deno.uid() };
  const at = (name: string) => join(folder, name);
  return Object.entries({
    ClusterName: "check",
    SlurmctldHost: "localhost(127.0.0.1)",
    SlurmctldPort: freePort(),
    SlurmdPort: freePort(),
    SlurmUser: user,
    SlurmdUser: user,
    // How long Slurm waits before it starts a task again: as long as its old credential could be used.
    AuthInfo: `socket=${at("munge.socket")},cred_expire=5`,
    CommunicationParameters: "NoInAddrAny,NoCtldInAddrAny",
    ProctrackType: "proctrack/linuxproc",
    TaskPlugin: "task/none",
    SelectType: "select/cons_tres",
    SelectTypeParameters: "CR_Core",
    JobAcctGatherType: "jobacct_gather/none",
    AccountingStorageType: "accounting_storage/none",
    MpiDefault: "none",
    KillWait: 10,
    ReturnToService: 2,
    StateSaveLocation: at("state"),
    SlurmdSpoolDir: at("spool"),
    SlurmctldPidFile: at("slurmctld.pid"),
    SlurmdPidFile: at("slurmd.pid"),
    SlurmctldLogFile: at("slurmctld.log"),
    SlurmdLogFile: at("slurmd.log"),
    NodeName: `node1 NodeHostname=${hostname} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2100`,
    PartitionName: "all Nodes=node1 Default=YES MaxTime=INFINITE",
  }).map(([name, value]) => `${name}=${value}\n`).join("");
}
