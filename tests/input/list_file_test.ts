import { assertEquals, assertThrows } from "@std/assert";
import { parseList } from "../../lib/input/list_file.ts";

const read = (text: string, files: readonly string[] = []): string[] =>
  parseList(text, "LIST", (file) => files.includes(file)).images
    .map(({ line, file, label }) => `${line} ${file} -> ${label}`);

Deno.test("the names of columns say which is which, in any order and with any separator", () => {
  const expected = ["2 a.jpg -> cat", "3 b.jpg -> school bus"];
  for (const separator of [",", ";", "\t"]) {
    const list = (rows: readonly string[][]): string =>
      rows.map((cells) => cells.join(separator)).join("\n");
    const rows = [
      [["path", "label"], ["a.jpg", "cat"], ["b.jpg", "school bus"]],
      [["Class", "File Name"], ["cat", "a.jpg"], ["school bus", "b.jpg"]],
      [["path", "width", "label"], ["a.jpg", "4", "cat"], ["b.jpg", "5", "school bus"]],
      [["", "image_path", "split", "category"], ["0", "a.jpg", "train", "cat"], [
        ...["1", "b.jpg", "test", "school bus"],
      ]],
    ];
    for (const table of rows) assertEquals(read(list(table)), expected, list(table));
  }
  const { unused } = parseList("id,path,label,width\n1,a.jpg,cat,4", "LIST", () => false);
  assertEquals(unused, ["id", "width"]);
});

Deno.test("a list without names of columns has a path and a class on each line", () => {
  assertEquals(read("a.jpg,cat\nb.jpg, dog \n"), ["1 a.jpg -> cat", "2 b.jpg -> dog"]);
  assertEquals(read("a b.jpg 0\r\nc.jpg 1"), ["1 a b.jpg -> 0", "2 c.jpg -> 1"]);
  assertEquals(read("a, b.jpg;cat;\nc.jpg;dog"), ["1 a, b.jpg -> cat", "2 c.jpg -> dog"]);
  assertEquals(read("a;b.jpg,cat"), ["1 a;b.jpg -> cat"]);
  assertEquals(read("x, y/a.jpg 3"), ["1 x, y/a.jpg -> 3"]);
  assertEquals(read("a.jpg,path"), ["1 a.jpg -> path"]);
  assertEquals(read("https://example.com/x?n=1,cat"), ["1 https://example.com/x?n=1 -> cat"]);
  // Without an ending only a file that is there is one.
  assertEquals(read("photos/1,cat\nphotos/2,dog", ["photos/1"]).length, 2);
});

Deno.test("quotes hold separators, quotes and line breaks, and lines are counted as an editor does", () => {
  const list =
    'path,label\r\n"a, b.jpg","it\'s, ""quoted"""\r\n\r\n"c\nd.jpg",cat\re"f".jpg,dog\n,,\n';
  assertEquals(read(list), [
    '2 a, b.jpg -> it\'s, "quoted"',
    "4 c\nd.jpg -> cat",
    '6 e"f".jpg -> dog',
  ]);
  assertEquals(read('"a, b.jpg","cat"\n"c.jpg",dog'), ["1 a, b.jpg -> cat", "2 c.jpg -> dog"]);
  assertEquals(read("sep=;\r\npath;label\r\na.jpg;cat"), ["3 a.jpg -> cat"]);
  assertEquals(read('"sep=|"\npath|label\na.jpg|cat'), ["3 a.jpg -> cat"]);
  assertThrows(
    () => read('a.jpg,cat\n"b.jpg"x,dog'),
    RangeError,
    "LIST, line 2: expected a separator",
  );
});

Deno.test("columns that nobody understands are refused with what was found", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["a.jpg,4,cat\nb.jpg,5,dog", 'found 3 columns: "a.jpg", "4", "cat"'],
    ["bild,klasse\na.jpg,cat", 'found 2 columns: "bild", "klasse"'],
    ["path,width\na.jpg,4", 'found 2 columns: "path", "width"'],
    ["path,file,label\na.jpg,b.jpg,cat", "several of which name the same"],
    ["path,label,class\na.jpg,1,cat", "several of which name the same"],
    ["cat,a.jpg\ndog,b.jpg", 'found 2 columns: "cat", "a.jpg"'],
    ["<html>404</html>", 'found one column: "<html>404</html>"'],
    ["a.jpg\nb.jpg", "a.jpg has no label"],
    ["a.jpg,\nb.jpg,dog", "a.jpg has no label"],
    ["path,label\na.jpg,cat\nb.jpg,", 'LIST, line 3: expected a label, found "b.jpg"'],
    ["path,label\na.jpg,cat\n,dog", 'LIST, line 3: expected a path, found "", "dog"'],
    ["a.jpg,cat\nb, c.jpg,dog", 'line 2: expected 2 columns, as in the first line, found 3: "b"'],
  ];
  for (const [list, found] of refused) {
    const error = assertThrows(() => read(list), RangeError, found, list);
    assertEquals(error.message.startsWith("LIST"), true, error.message);
  }
});

Deno.test("an empty list, and one of names of columns alone, have no images", () => {
  for (const list of ["", "\n\n", "path,label\n"]) assertEquals(read(list), []);
});
