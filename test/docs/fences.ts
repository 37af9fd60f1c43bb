/**
 * The code in the documents and in the docstrings' examples, with what stands beside it in comments that readers do not see:
 *
 *   <!-- before
 *   code that a program starts with
 *   -->
 *   <!-- needs: kvm, 2 nodes -->       else it is skipped, loudly (needs.ts)
 *   <!-- file: request.json -->        the block is this file, for the other blocks of its document
 *   <!-- end of: examples/a.mjs -->    the block is the end of this file of the repository, too
 *   <!-- exit: 3 -->                   exit code of the last command; default 0
 *   <!-- output varies -->             only exit codes are compared
 *   <!-- not run: reason -->
 *
 * and below a block `<!-- after` with code that a program ends with.
 */

export interface Marks {
  readonly before: string
  readonly after: string
  readonly needs: readonly string[]
  readonly file: string | null
  readonly endOf: string | null
  readonly exit: number
  readonly outputVaries: boolean
  /** Why it is not run. */
  readonly notRun: string | null
}

export interface Fence {
  /** Where it is: document and line. */
  readonly where: string
  readonly document: string
  readonly language: string
  readonly code: string
  readonly marks: Marks
}

const COMMENT = '<!--(?:(?!-->)[\\s\\S])*-->'
const FENCE = new RegExp(
  `((?:^${COMMENT}\\n\\n?)*)^\`\`\`([\\w-]*)\\n([\\s\\S]*?)^\`\`\`$((?:\\n\\n?<!-- after\\n(?:(?!-->)[\\s\\S])*-->)?)`,
  'gm',
)

/** The blocks of a document in Markdown, in their order. */
export function fencesOf(document: string, text: string, firstLine = 1): Fence[] {
  return [...text.matchAll(FENCE)].map((match) => {
    const [, above = '', language = '', code = '', below = ''] = match
    const line = firstLine + text.slice(0, match.index + above.length).split('\n').length - 1
    const where = `${document}:${line}`
    return { where, document, language, code, marks: marksOf(where, `${above}${below}`) }
  })
}

function marksOf(where: string, comments: string): Marks {
  const found = new Map<string, string>()
  for (const [comment] of comments.matchAll(new RegExp(COMMENT, 'g'))) {
    const content = comment.slice('<!--'.length, -'-->'.length)
    const known = /^ (before|after|needs:|file:|end of:|exit:|output varies|not run:)(?: |\n|$)([\s\S]*)$/.exec(content)
    if (known === null) throw new Error(`${where}: unknown mark ${comment}`)
    found.set(known[1]!, known[2]!.replace(/ $/, ''))
  }
  const exit = Number(found.get('exit:') ?? 0)
  if (!Number.isInteger(exit)) throw new Error(`${where}: exit: is a number`)
  return {
    before: found.get('before') ?? '',
    after: found.get('after') ?? '',
    needs: found.get('needs:')?.split(', ') ?? [],
    file: found.get('file:') ?? null,
    endOf: found.get('end of:') ?? null,
    exit,
    outputVaries: found.has('output varies'),
    notRun: found.get('not run:') ?? null,
  }
}

/** The blocks of all `@example`s in a source. */
export function examplesOf(document: string, source: string): Fence[] {
  return [...source.matchAll(/\/\*\*(?:(?!\*\/)[\s\S])*\*\//g)].flatMap((comment) => {
    const firstLine = source.slice(0, comment.index).split('\n').length
    const text = comment[0].replace(/^[ \t]*\*[ ]?/gm, '')
    return [...text.matchAll(/^@example\b((?:(?!^@)[\s\S])*)/gm)].flatMap((example) => {
      const line = firstLine + text.slice(0, example.index).split('\n').length - 1
      const fences = fencesOf(document, example[1]!, line)
      if (fences.length === 0) throw new Error(`${document}:${line}: an @example without a block of code`)
      return fences
    })
  })
}
