/** Downloads into folders that others may write into, too. */

import { assertEquals } from "@std/assert";
import { download } from "../../lib/io/download.ts";

Deno.test({
  name: "a download follows no link that lies where it writes",
  ignore: Deno.build.os === "windows", // where links need a privilege
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("weights", { headers: { etag: '"1"' } }),
    );
    const url = new URL(`http://127.0.0.1:${server.addr.port}/m`);
    const path = `${folder}/m.part`, note = `${path}.json`, file = `${folder}/letter`;
    try {
      for (const [link, target] of [[path, file], [note, file], [path, "new"], [note, "new"]]) {
        await Deno.writeTextFile(file, "Dear Sir or Madam");
        await Deno.symlink(target, link);
        // As if it were to be taken up.
        if (link === path) {
          await Deno.writeTextFile(note, JSON.stringify({ url: url.href, validator: '"1"' }));
        }
        await download(url, path, {});
        assertEquals(await Deno.readTextFile(path), "weights");
        assertEquals(await Deno.readTextFile(file), "Dear Sir or Madam");
        const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
        assertEquals(names.sort(), ["letter", "m.part", "m.part.json"]);
        for (const name of [path, note]) await Deno.remove(name);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
