import { assertEquals, assertMatch } from "@std/assert";
import { readImage } from "../../lib/image/read.ts";
import { picturesPage, type ShownPicture } from "../../lib/search/page.ts";

const PHOTO = { data: new Uint8Array(40 * 20 * 3).fill(120), width: 40, height: 20 };

function shown(name: string, more: Partial<ShownPicture> = {}): ShownPicture {
  return { name, image: PHOTO, caption: "0.9 copy", isFirst: false, ...more };
}

Deno.test("a page has each picture in its row, and no name is taken for HTML", async () => {
  const evil = `"><script>alert(1)</script>\u202e.jpg`;
  const html = await picturesPage("Copies in <b>", `about ${evil}`, [
    [
      shown("a.jpg", { isFirst: true, href: "sub/a%20b.jpg" }),
      shown(evil, { href: evil, caption: evil }),
    ],
    [shown("gone.jpg", { image: "no/such/file.jpg" })],
  ], {});
  const page = html.replaceAll("<wbr>", "");
  assertEquals(page.split("<script").length, 1);
  assertMatch(page, /&lt;script&gt;alert\(1\)&lt;\/script&gt;\\u\{202e\}\.jpg/);
  assertEquals(page.match(/<div class="row">/g)?.length, 2);
  assertEquals(page.match(/<figure class="first"><a href="sub\/a%20b.jpg"><img /g)?.length, 1);
  assertMatch(page, /<div class="none"><\/div>gone\.jpg/);
  const images = [...page.matchAll(/src="data:image\/png;base64,([^"]+)"/g)];
  for (const [, base64] of images) {
    const { width, height } = await readImage(Uint8Array.fromBase64(base64!));
    assertEquals([width, height], [192, 96]);
  }
  assertEquals(images.length, 2);
  // It asks nobody for anything.
  assertEquals(page.match(/(src|href)="https?:|url\(|@import/g), null);
});

Deno.test("a page has so many pictures that it can be mailed, and names the others", async () => {
  const rows = Array.from({ length: 201 }, (_, n) => [shown(`${n}a`), shown(`${n}b`)]);
  const page = await picturesPage("Many", "", rows, {});
  assertEquals(page.match(/<img /g)?.length, 400);
  assertMatch(page, /The first 400 of 402 pictures are shown/);
  assertMatch(page, /200b/);
});
