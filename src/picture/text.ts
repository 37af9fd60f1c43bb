/** How wide text is, without a renderer: that makes layouts the same in Node and in every browser. */

/** DejaVu Sans is the widest of these, and the one that is measured here: in the others everything has room, too. */
export const FONTS = "'DejaVu Sans', Verdana, Geneva, 'Liberation Sans', Arial, sans-serif"

/** Advance widths of DejaVu Sans in thousandths of the size, for the characters from space to tilde. */
const WIDTHS = [
  318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
  636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
  748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
  615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
  337, 636, 838,
]
const FIRST = 0x20
/** Of any other character: none of a common script is wider, ideographs are 1000. */
const WIDEST = 1100

/** Pixels that the text takes at most at this size, on one line. */
export function widthOf(text: string, size: number): number {
  let sum = 0
  for (const character of text) sum += WIDTHS[character.codePointAt(0)! - FIRST] ?? WIDEST
  return (sum * size) / 1000
}

/** The size at which the text fits into so many pixels, at most `size`. */
export function sizeFor(text: string, pixels: number, size: number): number {
  const width = widthOf(text, size)
  return width <= pixels ? size : Math.floor((size * pixels * 10) / width) / 10
}

/** Lines that fit into so many pixels, broken at spaces and after commas, and within words that are longer than a line. */
export function wrapped(text: string, pixels: number, size: number): string[] {
  const lines: string[] = []
  let current = ''
  for (const piece of text.match(/\s*(?:[^\s,]*,|[^\s,]+)/g) ?? []) {
    if (widthOf(current + piece, size) <= pixels) {
      current += piece
      continue
    }
    if (current !== '') lines.push(current)
    current = ''
    for (const character of piece.trimStart()) {
      if (current !== '' && widthOf(current + character, size) > pixels) {
        lines.push(current)
        current = ''
      }
      current += character
    }
  }
  return current === '' ? lines : [...lines, current]
}

/** The text, or as much of it as fits with an ellipsis: for boxes whose title has all of it. */
export function shortened(text: string, pixels: number, size: number): string {
  if (widthOf(text, size) <= pixels) return text
  let kept = ''
  for (const character of text) {
    if (widthOf(`${kept}${character}..`, size) > pixels) break
    kept += character
  }
  return kept === '' ? '' : `${kept}..`
}
