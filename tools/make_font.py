"""Writes lib/report/font.ts: Latin-1 in DejaVu Sans Mono Bold as a gray PNG, 16 glyphs a row.

    /usr/bin/python3 tools/make_font.py        (Debian: python3-pil, fonts-dejavu-core)
"""
import base64, io, os
from PIL import Image, ImageDraw, ImageFont

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lib/report/font.ts')
WIDTH, HEIGHT, COLUMNS = 16, 32, 16
CHARS = [chr(c) for c in [*range(0x20, 0x7f), *range(0xa0, 0x100)]]
font = ImageFont.truetype('/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf', 26)
atlas = Image.new('L', (WIDTH * COLUMNS, HEIGHT * -(-len(CHARS) // COLUMNS)))
draw = ImageDraw.Draw(atlas)
for i, char in enumerate(CHARS):
    draw.text((i % COLUMNS * WIDTH, i // COLUMNS * HEIGHT), char, fill=255, font=font)
atlas = atlas.point(lambda v: v // 17 * 17)  # 16 levels are enough, and half the bytes
file = io.BytesIO()
atlas.save(file, 'PNG', optimize=True)
data = base64.b64encode(file.getvalue()).decode()
open(OUT, 'w').write(f'''/**
 * Glyphs of DejaVu Sans Mono Bold, rendered by `make_font.py`. DejaVu is free to use, copy and
 * distribute; it is based on Bitstream Vera, copyright (c) 2003 by Bitstream, Inc.
 */

/** Width of a glyph's cell in pixels. */
export const CELL_WIDTH = {WIDTH};
/** Height of a glyph's cell in pixels. */
export const CELL_HEIGHT = {HEIGHT};
/** Glyphs a row of the atlas. */
export const COLUMNS = {COLUMNS};

/** A PNG, gray: U+0020 … U+007E, then U+00A0 … U+00FF. */
export const ATLAS: string =
  // deno-fmt-ignore
  "{data}";
''')
print(atlas.size, len(data))
