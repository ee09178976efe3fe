// From a model's filters to the order in which the inner loops read them.

/**
 * Packs up to 16 filters `[count, filterRows, filterColumns, inChannels]` of int8 to
 * `[filterRows, run, 16, 4]` bytes, with 0 for filters that do not exist and for channels up to
 * `padded`, a multiple of 4.
 */
export function pack(
  from: usize,
  to: usize,
  count: i32,
  filterRows: i32,
  filterColumns: i32,
  inChannels: i32,
  padded: i32,
): void {
  const inner = filterRows * filterColumns * inChannels;
  if (count < 16 || inChannels < padded) memory.fill(to, 0, filterRows * filterColumns * padded * 16);
  for (let o = 0; o < count; o++) {
    let source = from + o * inner, target = to + o * 4;
    for (let position = filterRows * filterColumns; position > 0; position--) {
      let c = 0;
      for (; c + 4 <= inChannels; c += 4) store<i32>(target + c * 16, load<i32>(source + c));
      for (; c < inChannels; c++) {
        store<u8>(target + (c >> 2) * 64 + (c & 3), load<u8>(source + c));
      }
      source += inChannels;
      target += padded * 16;
    }
  }
}

/** The same for the first layer, to `[filterRows, run, 16, 2]` int16. */
export function packFirst(
  from: usize,
  to: usize,
  count: i32,
  filterRows: i32,
  filterColumns: i32,
  inChannels: i32,
  _padded: i32,
): void {
  const row = filterColumns * inChannels, run = (row + 1) >> 1;
  memory.fill(to, 0, filterRows * run * 64);
  for (let o = 0; o < count; o++) {
    for (let y = 0; y < filterRows; y++) {
      for (let i = 0; i < row; i++) {
        const target = to + (y * run + (i >> 1)) * 64 + o * 4 + (i & 1) * 2;
        store<i16>(target, load<i8>(from + (o * filterRows + y) * row + i));
      }
    }
  }
}
