/** Folders of files that live as long as a test. */

import { dirname, join } from "@std/path";

/** Makes files in a directory of its own, and in folders below it, which lives as long as `use` runs. */
export async function withFiles(
  files: Readonly<Record<string, string | Uint8Array>>,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    for (const [name, contents] of Object.entries(files)) {
      const path = join(directory, name);
      await Deno.mkdir(dirname(path), { recursive: true });
      const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
      await Deno.writeFile(path, bytes);
    }
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
