/**
 * Loaded before a program (`deno run --preload`), lets something happen at its n-th change of a file: at the
 * variable `FAULT_AT` what `FAULT` says. Such changes are made by `lib/platform.ts` alone.
 *
 * `SIGKILL` and `SIGSTOP` come before the change, or amid it where that is a write; `full` is a disk without space
 * from then on; `no-locks`, which needs no number, is a file system whose locks are not seen by other machines.
 *
 * @module
 */

const fault = Deno.env.get("FAULT"), at = Number(Deno.env.get("FAULT_AT"));
let step = 0;

/** What the system says of a full disk. */
const full = (): Error => new Error("No space left on device (os error 28)");

/** Counts a change. @returns Whether it fails. */
function isRefused(needsSpace: boolean): boolean {
  step++;
  if (fault === "full") return needsSpace && step >= at;
  if (step === at && (fault === "SIGKILL" || fault === "SIGSTOP")) Deno.kill(Deno.pid, fault);
  return false;
}

const { openSync, rename, link, remove, removeSync } = Deno;
const { writeSync, tryLock } = Deno.FsFile.prototype;

Deno.openSync = (path, options) => {
  if (options?.write && isRefused(true)) throw full();
  return openSync(path, options);
};
Deno.rename = async (...args) => {
  isRefused(false);
  await rename(...args);
};
Deno.link = async (...args) => {
  if (isRefused(true)) throw full();
  await link(...args);
};
Deno.remove = async (...args) => {
  isRefused(false);
  await remove(...args);
};
Deno.removeSync = (...args) => {
  isRefused(false);
  removeSync(...args);
};
Deno.FsFile.prototype.writeSync = function (bytes) {
  // Whatever happens comes amid them.
  const isNow = step + 1 === at;
  const count = writeSync.call(this, isNow ? bytes.subarray(0, bytes.length / 2) : bytes);
  if (isRefused(true)) throw full();
  return count;
};
if (fault === "no-locks") {
  Deno.FsFile.prototype.tryLock = async function (isAlone) {
    await tryLock.call(this, isAlone);
    return true;
  };
}
