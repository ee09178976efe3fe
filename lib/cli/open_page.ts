/** Shows a page that was written, in the user's browser. */

import { toFileUrl } from "@std/path";
import { flag, type Table } from "../options.ts";
import { isGranted, realPath } from "../platform.ts";
import { tellWarning } from "./terminal.ts";

/** Whether the page is shown that a command writes. */
export const OPEN_FLAG = {
  open: flag({}, "Show the page in the browser, once it is written"),
} satisfies Table;

/** What shows a page, by operating system. */
const OPENERS: Partial<Record<typeof Deno.build.os, readonly [string, ...string[]]>> = {
  darwin: ["open"],
  windows: ["cmd", "/c", "start", ""],
};

/** Shows a page. That it cannot be shown is no failure of the work: it is said, with where the page is. */
export async function openPage(path: string): Promise<void> {
  const [command, ...args] = OPENERS[Deno.build.os] ?? ["xdg-open"];
  const url = toFileUrl(await realPath(path)).href;
  const shown = `open ${url} in a browser`;
  if (!isGranted({ name: "run", command })) {
    return tellWarning(`--open needs --allow-run=${command}: ${shown}`);
  }
  try {
    const { success } = await new Deno.Command(command, {
      args: [...args, url],
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).output();
    if (!success) tellWarning(`${command} shows no page here: ${shown}`);
  } catch {
    tellWarning(`There is no ${command} here: ${shown}`);
  }
}
