import { assertEquals, assertRejects } from "@std/assert";
import { LineFile } from "../../lib/cli/line_file.ts";
import { OpenFile } from "../../lib/platform.ts";

const LINES = ['{"kept":1}\n', '{"gone":1}\n', '{"kept":2}\n'];
const FORMAT = {
  about: "lines",
  begin: "{",
  take: (value: Record<string, unknown>) => "gone" in value ? "drop" : true,
} as const;

/** Does something with a file of some lines. */
async function withLines(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir(), path = `${folder}/lines.jsonl`;
  try {
    await Deno.writeTextFile(path, LINES.join(""));
    await work(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("lines that are left out are gone, and others are added", () =>
  withLines(async (path) => {
    {
      using file = await LineFile.open(path, FORMAT);
      file.append(['{"kept":3}']);
    }
    assertEquals(await Deno.readTextFile(path), `${LINES[0]}${LINES[2]}{"kept":3}\n`);
  }));

Deno.test("a file that another run has begun anew is not gone on with", () =>
  withLines(async (path) => {
    const { close } = OpenFile.prototype;
    let removed = 0;
    // Once the new file is there nobody has its lock for a moment, in which another run forgets it.
    OpenFile.prototype.close = function () {
      close.call(this);
      if (removed > 0 || Deno.readTextFileSync(path) !== LINES[0]! + LINES[2]!) return;
      removed++;
      Deno.removeSync(path);
    };
    try {
      await assertRejects(
        () => LineFile.open(path, FORMAT),
        Error,
        `Another run has changed ${path}: try again`,
      );
      assertEquals(removed, 1);
    } finally {
      OpenFile.prototype.close = close;
    }
  }));
