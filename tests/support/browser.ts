/**
 * Programs that import this project, bundled, in Chromium.
 *
 * @module
 */

// deno-lint-ignore-file no-explicit-any -- Playwright is not downloaded for the type check

import { assertEquals } from "@std/assert";
import { extname, join, relative } from "@std/path";

const ROOT = new URL("../../", import.meta.url);

/** What {@linkcode withPage} needs of `devTest`. */
export const BROWSER = {
  packages: ["playwright-core"],
  programs: { chromium: "chromium" },
} as const;

/** Headers with which a page may share memory with threads. */
export const ISOLATED: Readonly<Record<string, string>> = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Switches of Chromium for WebGPU on its own software adapter, which is Dawn's on SwiftShader. */
export const SOFTWARE_WEBGPU: readonly string[] = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
];

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

/** What a server has, by path, without the first slash. */
export type Files = Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>;

/** A page, and how it is served. */
export interface PageOptions {
  /** Beside the project's pictures, `tests/…`. */
  readonly files: Files;
  readonly headers?: Readonly<Record<string, string>>;
  /** For Chromium's command line. */
  readonly switches?: readonly string[];
  /** Playwright's options of a context, such as its size. */
  readonly context?: Readonly<Record<string, unknown>>;
}

/** A page that is open. */
export interface OpenPage {
  /** Playwright's page. */
  readonly page: any;
  readonly origin: string;
  /** Calls a function that `program.js` exports, where {@linkcode programPage} is the page. */
  call(name: string, ...given: readonly unknown[]): Promise<any>;
  /** What was asked for and is not there. */
  readonly missing: readonly string[];
}

/** Bundles a program of this project for browsers. */
export async function bundled(path: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--no-lock", "--platform", "browser", path],
    cwd: ROOT,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Reads a file of the project. */
export function projectFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return Deno.readFile(new URL(path, ROOT));
}

/** All files of a folder, and of those in it. */
export async function filesOf(folder: string, from: string = folder): Promise<Files> {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) Object.assign(files, await filesOf(path, from));
    else files[relative(from, path)] = await Deno.readFile(path);
  }
  return files;
}

/** A page whose tests call what a program exports. */
export function programPage(code: string): Files {
  const load = 'globalThis.program = import("./program.js");';
  const html = `<!doctype html><title>Test</title><link rel="icon" href="data:,">
    <script type="module">${load}</script>`;
  return { "index.html": html, "program.js": code };
}

/** Serves files, opens `index.html` in Chromium, and fails on every error that the page does not catch. */
export async function withPage(
  packages: Readonly<Record<string, unknown>>,
  { files, headers = {}, switches = [], context = {} }: PageOptions,
  test: (open: OpenPage) => Promise<void>,
): Promise<void> {
  const missing: string[] = [], errors: string[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async ({ url }) => {
      const path = new URL(url).pathname.slice(1) || "index.html";
      const body = files[path] ??
        (path.startsWith("tests/") ? await projectFile(path).catch(() => undefined) : undefined);
      if (body === undefined) missing.push(path);
      const type = TYPES[extname(path)] ?? "application/octet-stream";
      return new Response(body, {
        status: body === undefined ? 404 : 200,
        headers: { "content-type": type, ...headers },
      });
    },
  );
  const { chromium } = packages["playwright-core"] as any;
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", ...switches],
  });
  try {
    const page = await (await browser.newContext(context)).newPage();
    page.on("pageerror", (error: Error) => errors.push(error.stack ?? error.message));
    const origin = `http://127.0.0.1:${server.addr.port}`;
    await page.goto(origin);
    const call = (name: string, ...given: readonly unknown[]): Promise<any> =>
      page.evaluate(
        async ([name, given]: any) => (await (globalThis as any).program)[name](...given),
        [name, given],
      );
    await test({ page, origin, call, missing });
    assertEquals(errors, []);
  } finally {
    await browser.close();
  }
}
