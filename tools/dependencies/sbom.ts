/**
 * The bill of materials: CycloneDX 1.6.
 *
 * @see {@link https://cyclonedx.org/docs/1.6/json/}
 * @module
 */

import { STD } from "../prepare_publication.ts";
import type { Dependency } from "./packages.ts";

/** A library that is compiled into the package, or a model in it. */
interface Part {
  readonly type: "library" | "machine-learning-model";
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

/** What the package contains of others' work, as `THIRD_PARTY_NOTICES.md` and `docs/decoders.md` say. */
export const PARTS: readonly Part[] = [
  part("dav1d", "1.5.4", "BSD-2-Clause"),
  part("imagescript", "1.3.1", "MIT"),
  part("libavif", "1.4.2", "BSD-2-Clause"),
  part("libjpeg-turbo", "3.1.0", "IJG AND BSD-3-Clause AND Zlib"),
  part("libwebp", "1.6.0", "BSD-3-Clause"),
  part("SIMD Everywhere", "0.8.2", "MIT"),
  // Of the compiler, whose version this is.
  part("Zig's runtime and musl", "0.17.1", "MIT"),
  part("VGG16", "configuration D", "CC-BY-4.0", "machine-learning-model"),
];

function part(
  name: string,
  version: string,
  license: string,
  type: Part["type"] = "library",
): Part {
  return { type, name, version, license };
}

/** What is told of the package itself. */
export interface Subject {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

/**
 * Writes the bill of a package. It has no time and no number of its own, so that the same package has the same bill.
 *
 * @param direct Names of the packages that its modules import.
 */
export function sbom(
  subject: Subject,
  dependencies: readonly Dependency[],
  direct: readonly string[],
): string {
  const refs = new Map(dependencies.map((each) => [each.name, purl("npm", each)]));
  const refsOf = (names: readonly string[]): string[] => names.map((name) => refs.get(name)!);
  const own = `${subject.name}@${subject.version}`;
  const parts = PARTS.map((part) => ({ ...part, ref: purl("generic", part) }));
  const bill = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    ...{ bomFormat: "CycloneDX", specVersion: "1.6", version: 1 },
    metadata: { component: { ...component("library", subject), "bom-ref": own } },
    components: [
      ...dependencies.map((each) => packageComponent(each, refs.get(each.name)!)),
      ...parts.map(({ ref, ...part }) => ({
        ...component(part.type, part),
        ...{ "bom-ref": `part:${ref}`, purl: ref },
      })),
    ],
    dependencies: [
      { ref: own, dependsOn: [...refsOf(direct), ...parts.map(({ ref }) => `part:${ref}`)] },
      ...dependencies.map(({ name, needs }) => ({ ref: refs.get(name), dependsOn: refsOf(needs) })),
    ],
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

function component(type: Part["type"], { name, version, license }: Subject): object {
  return { type, name, version, licenses: [{ expression: license }] };
}

function packageComponent(dependency: Dependency, ref: string): object {
  const sha512 = Uint8Array.fromBase64(dependency.sha512).toHex();
  return {
    ...component("library", dependency),
    ...{ "bom-ref": ref, purl: ref, hashes: [{ alg: "SHA-512", content: sha512 }] },
    // On JSR, the originals take its place.
    ...dependency.name === "deno-std" && { pedigree: { ancestors: originalsOfStd() } },
  };
}

function originalsOfStd(): object[] {
  return Object.entries(STD).map(([name, version]) => ({
    ...component("library", { name: `@std/${name}`, version, license: "MIT" }),
  }));
}

/** @see {@link https://github.com/package-url/purl-spec} */
function purl(type: string, { name, version }: { name: string; version: string }): string {
  return `pkg:${type}/${name.split("/").map(encodeURIComponent).join("/")}@${
    encodeURIComponent(version)
  }`;
}
