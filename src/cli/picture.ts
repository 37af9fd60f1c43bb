/** `--svg`, `--png` and `--theme`: a picture of what a command is about, in files or instead of its text. */

import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InputError, show, UnsupportedError } from '../errors.js'
import { drawPicture } from '../picture/draw.js'
import type { Scene } from '../picture/scene.js'
import type { ThemeName } from '../picture/theme.js'
import { CommandError, EXIT } from './errors.js'
import { write } from './output.js'

export interface PictureOptions {
  readonly svg?: string
  readonly png?: string
  readonly theme?: ThemeName
}

/** What is ready to draw. */
export interface Pictures {
  /** The picture is what the command prints: nothing else goes to standard output. */
  readonly isOutput: boolean
  draw(scene: () => Scene): Promise<void>
}

/** How many pixels of a PNG there are for one of the picture, while it is no wider than this. */
const SHARP = 2
const WIDEST_SHARP = 3000

/**
 * Looks at the options, and loads what they need, before there is much work.
 * @throws {InputError} where they contradict each other
 * @throws {UnsupportedError} where PNG is asked for and what renders it is not installed
 */
export async function pictures({ svg, png, theme, json }: PictureOptions & { json?: true }): Promise<Pictures> {
  const outputs = [...(svg === '-' ? ['--svg -'] : []), ...(png === '-' ? ['--png -'] : [])]
  if (theme !== undefined && svg === undefined && png === undefined) {
    throw new InputError('--theme', '--svg or --png, too', '--theme alone')
  }
  for (const [option, file] of [
    ['--svg', svg],
    ['--png', png],
  ] as const) {
    if (file === '') throw new InputError(option, 'the name of a file', 'an empty name')
  }
  if (outputs.length + (json ? 1 : 0) > 1) {
    const all = [...outputs, ...(json ? ['--json'] : [])].join(' and ')
    throw new InputError('standard output', 'one thing to print there', all)
  }
  if (svg !== undefined && png !== undefined && resolve(svg) === resolve(png)) {
    throw new InputError('--png', 'another file than --svg', show(png))
  }
  const render = png === undefined ? undefined : await renderer()
  return {
    isOutput: outputs.length > 0,
    async draw(sceneOf) {
      if (svg === undefined && png === undefined) return
      const text = drawPicture(sceneOf(), theme === undefined ? {} : { theme })
      if (svg !== undefined) await put(svg, text)
      if (png !== undefined) await put(png, render!(text))
    },
  }
}

async function put(file: string, content: string | Uint8Array): Promise<void> {
  if (file === '-') {
    write(content)
    return
  }
  await writeFile(file, content).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`${file} cannot be written: ${error.code ?? error.message}`, EXIT.failed)
  })
}

const LETTER = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="9" font-size="9">M</text></svg>'

async function renderer(): Promise<(svg: string) => Uint8Array> {
  const { Resvg } = await import('@resvg/resvg-js').catch((error: unknown) => {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new UnsupportedError(
      '--png',
      `the optional package @resvg/resvg-js cannot be loaded (${reason}): "npm install @resvg/resvg-js" adds it, and --svg needs nothing`,
    )
  })
  if (new Resvg(LETTER).getBBox() === undefined) {
    console.error('no font is installed here, so the PNG is without text (Debian: apt-get install fonts-dejavu-core)')
  }
  return (svg) => {
    const width = Number(/ width="(\d+)"/.exec(svg)![1])
    return new Resvg(svg, { fitTo: { mode: 'zoom', value: width > WIDEST_SHARP ? 1 : SHARP } }).render().asPng()
  }
}
