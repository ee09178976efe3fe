/** `manifest`: divides a set of pictures into parts, once. */

import { integer, type Table, text } from "../options.ts";
import type { Command } from "./command.ts";
import { divide, MOST_IN_PART } from "./parts/manifest.ts";
import { listEntries } from "./parts/list_entries.ts";
import { INPUT_FLAGS } from "./inputs.ts";
import { OUTPUT_FLAGS } from "./outputs.ts";
import { WRITES } from "./permissions.ts";
import { ProgressLine } from "./progress.ts";
import { withData } from "./run.ts";
import { tell, tellWarning } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const PART_SIZE = 10_000;

const OPTIONS = {
  outDir: text({ placeholder: "DIR" }, "Where the parts are listed: a folder of their own"),
  partSize: integer(
    { min: 1, max: MOST_IN_PART, default: PART_SIZE },
    "Pictures of a part: as many as may be done again where a worker is lost",
  ),
  hidden: INPUT_FLAGS.hidden,
  force: OUTPUT_FLAGS.force,
} satisfies Table;

export const manifestCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS] DIRECTORY|LIST|-",
  operands: {
    "DIRECTORY": "Searched with all below: pictures are called by their paths in it",
    "LIST":
      "A path or URL on each line; .csv, .tsv or .jsonl with a path or url, an id and a label " +
      "where there are",
    "-": "A path or URL on each line of standard input",
  },
  examples: [
    { line: "vgg16 manifest photos --out-dir parts", permissions: WRITES },
    {
      line: "vgg16 classify --manifest parts --part 3/64 --out-dir out",
      about: "the third of 64 workers",
      permissions: WRITES,
    },
  ],
  options: OPTIONS,
  notes: "Exit code: 0, or 2 for a wrong command line.",

  async run(operands, { outDir, partSize = PART_SIZE, hidden, force = false }, signal) {
    const [operand, ...more] = operands;
    if (operand === undefined || more.length > 0) {
      throw new UsageError("manifest needs one directory, list or - to read");
    }
    if (outDir === undefined) {
      throw new UsageError("manifest needs --out-dir, a folder for the parts");
    }
    const links: string[] = [];
    const { entries, areDifferent } = await withData(() =>
      listEntries(operand, { hidden, signal, onLink: (path) => links.push(path) })
    );
    using progress = new ProgressLine("Dividing");
    const { pictures, parts } = await withData(() =>
      divide(entries, outDir, {
        ...{ partSize, areDifferent, isReplaced: force, reads: [operand], signal },
        onPictures: (count) => progress.update(count, 0, `${count} pictures`),
      })
    );
    if (links.length > 0) {
      tellWarning(`links to folders are not followed: ${links.length}, such as ${links[0]}`);
    }
    const counted = (count: number, what: string): string =>
      count === 1 ? `1 ${what}` : `${count} ${what}s`;
    tell(`${counted(pictures, "picture")} in ${counted(parts, "part")}: ${outDir}`);
    return 0;
  },
};
