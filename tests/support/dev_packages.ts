/**
 * Tests that need more than this project: peers' packages, a browser, a proxy. They run where
 * `TESTS_REQUIRE_ALL=1` is set, and are skipped elsewhere, with a line that says what they need.
 *
 * @module
 */

/**
 * The packages, pinned. They are not in deno.json, because Deno downloads what is there for every
 * task, and these are 30 MB. Each is the real client, browser driver or validator that a test
 * speaks to.
 */
const PACKAGES = {
  "@electric-sql/pglite": "npm:@electric-sql/pglite@0.5.14",
  "@electric-sql/pglite-pgvector": "npm:@electric-sql/pglite-pgvector@0.0.15",
  "@electric-sql/pglite-socket": "npm:@electric-sql/pglite-socket@0.2.17",
  "@huggingface/inference": "npm:@huggingface/inference@4.13.30",
  "@seriousme/openapi-schema-validator": "npm:@seriousme/openapi-schema-validator@2.11.0",
  "axe-core": "npm:axe-core@4.14.1",
  "hyparquet": "npm:hyparquet@1.31.5",
  "playwright-core": "npm:playwright-core@1.65.1",
  "typescript": "npm:typescript@5.9.3",
  "workerd": "npm:workerd@1.20260426.1",
} as const;

const WANTED = Deno.env.get("TESTS_REQUIRE_ALL") === "1";

/** Set in the process that runs one test with its packages. */
const CHILD = "TESTS_DEV_CHILD";
const IS_CHILD = Deno.env.get(CHILD) === "1";

/** What a test needs. */
export interface Needs {
  /** The test's own file. */
  readonly file: string;
  /** Packages, imported only when the test runs. */
  readonly packages?: readonly (keyof typeof PACKAGES)[];
  /** Programs, and the Debian package that has each. */
  readonly programs?: Readonly<Record<string, string>>;
}

/** A test that is skipped unless `TESTS_REQUIRE_ALL=1` is set; then whatever is missing fails it. */
export function devTest(
  name: string,
  needs: Needs,
  test: (packages: Readonly<Record<string, unknown>>, t: Deno.TestContext) => Promise<void>,
): void {
  if (!WANTED) {
    const programs = Object.values(needs.programs ?? {}).map((name) => `Debian's ${name}`);
    const all = [...needs.packages ?? [], ...programs].join(", ");
    Deno.test.ignore(`${name} [skipped: needs ${all}; TESTS_REQUIRE_ALL=1 runs it]`, () => {});
    return;
  }
  Deno.test(name, async (t) => {
    for (const [program, debian] of Object.entries(needs.programs ?? {})) {
      if (!await isInstalled(program)) {
        throw new Error(`${program} is missing: apt-get install --no-install-recommends ${debian}`);
      }
    }
    if (needs.packages !== undefined && !IS_CHILD) return await runWithoutLock(name, needs.file);
    const packages: Record<string, unknown> = {};
    // By a variable, so that Deno downloads nothing when it only looks at the imports.
    for (const name of needs.packages ?? []) packages[name] = await import(PACKAGES[name]);
    await test(packages, t);
  });
}

/** In a process of its own, as otherwise Deno would add the packages to the lock file. */
async function runWithoutLock(name: string, file: string): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--no-lock", "--no-check", "--allow-all", "--filter", name, file],
    env: { [CHILD]: "1", NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (!success || !text.includes("1 passed")) throw new Error(text);
}

async function isInstalled(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("sh", { args: ["-c", `command -v ${program}`] })
    .output();
  return success;
}
