/**
 * Reads tar archives, as far as `deno publish` writes them.
 *
 * @see {@link https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html} ustar Interchange Format
 * @module
 */

const BLOCK = 512;

/** Where a header has its fields: first byte and length. */
const FIELDS = { name: [0, 100], size: [124, 12], type: [156, 1], prefix: [345, 155] } as const;

/** Gives the files of an archive by their paths, which have no `./` before them. */
export function filesOfTar(archive: Uint8Array<ArrayBuffer>): Map<string, Uint8Array<ArrayBuffer>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (let at = 0; archive[at] !== 0 && at < archive.length;) {
    const field = (name: keyof typeof FIELDS): string => {
      const [start, length] = FIELDS[name];
      const bytes = archive.subarray(at + start, at + start + length);
      return new TextDecoder().decode(bytes).replace(/\0.*$/s, "");
    };
    const path = [field("prefix"), field("name")].filter((part) => part !== "").join("/");
    if (!["", "0"].includes(field("type"))) throw new Error(`${path} is no file in the archive`);
    const size = parseInt(field("size"), 8), start = at + BLOCK;
    files.set(path.replace(/^\.?\//, ""), archive.slice(start, start + size));
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
