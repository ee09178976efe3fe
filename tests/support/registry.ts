/**
 * The package as a registry serves it, on loopback.
 *
 * @module
 */

const ROOT = new URL("../../", import.meta.url);

/** Serves the package's files as a registry does, from a port of its own; or some of them. */
export function registry(
  has: (url: URL) => boolean = () => true,
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const type = pathname.endsWith(".ts") ? "text/typescript" : "application/octet-stream";
    try {
      if (!has(new URL(request.url))) throw new Deno.errors.NotFound();
      const body = await Deno.readFile(new URL(`.${pathname}`, ROOT));
      return new Response(body, { headers: { "content-type": type } });
    } catch {
      return new Response("no such file", { status: 404 });
    }
  });
}

/**
 * A deno.json for a program that imports the package from there.
 *
 * A registry rewrites the short names of the package's deno.json; here the importer has the same map.
 */
export async function importMap(names: Readonly<Record<string, string>> = {}): Promise<string> {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  return JSON.stringify({ imports: { ...imports, ...names } });
}
