/** Shows a page that was written, in the user's browser. */

import { needed } from "../system/builtin.ts";
import { system } from "../system/system.ts";
import { toFileUrl } from "@std/path";
import { flag, type Table } from "../options.ts";
import { isGranted, realPath } from "../platform.ts";
import { tellWarning } from "./terminal.ts";

/** Whether the page is shown that a command writes. */
export const OPEN_FLAG = {
  open: flag({}, "Show the page in the browser, once it is written"),
} satisfies Table;

/** What shows a page, by operating system. */
const OPENERS: Partial<Record<string, readonly [string, ...string[]]>> = {
  darwin: ["open"],
  windows: ["cmd", "/c", "start", ""],
};

/** Shows a page. That it cannot be shown is no failure of the work: it is said, with where the page is. */
export async function openPage(path: string): Promise<void> {
  const [command, ...args] = OPENERS[system.build.os] ?? ["xdg-open"];
  const url = toFileUrl(await realPath(path)).href;
  const shown = `open ${url} in a browser`;
  if (!isGranted({ name: "run", command })) {
    return tellWarning(`--open needs --allow-run=${command}: ${shown}`);
  }
  try {
    if (!await succeeds(command, [...args, url])) {
      tellWarning(`${command} shows no page here: ${shown}`);
    }
  } catch {
    tellWarning(`There is no ${command} here: ${shown}`);
  }
}

/** Runs a program, silently. */
async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  const { spawn } = needed("node:child_process");
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  spawn(command, args, { stdio: "ignore" })
    .once("error", reject)
    .once("close", (code) => resolve(code === 0));
  return await promise;
}
