// Makes the API reference from the docstrings: `npm run docs`. Elsewhere, or of something else: generate.mjs [OUT [TSCONFIG ENTRY...]]
// Where an export or one of its members is not documented, or a link leads nowhere, it says so, writes nothing and ends with 1.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application, ReflectionKind } from 'typedoc'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')

/** The entry points of package.json's `exports` that have types. */
const ENTRIES = ['src/index.ts', 'src/planner/index.ts', 'executor/index.ts', 'executor/accel/index.ts']

const [out = join(root, 'docs/api'), tsconfig = join(root, 'tsconfig.json'), ...others] = process.argv.slice(2)
const entries = others.length > 0 ? others : ENTRIES.map((file) => join(root, file))

/** What has to have a docstring. */
const DOCUMENTED =
  ReflectionKind.Module |
  ReflectionKind.Class |
  ReflectionKind.Interface |
  ReflectionKind.TypeAlias |
  ReflectionKind.Enum |
  ReflectionKind.EnumMember |
  ReflectionKind.Variable |
  ReflectionKind.Property |
  ReflectionKind.CallSignature |
  ReflectionKind.ConstructorSignature |
  ReflectionKind.GetSignature

/** The markdown plugin leaves the type of `@throws {Type} ...` out. */
function nameThrownTypes(project) {
  const comments = Object.values(project.reflections).flatMap(({ comment }) => comment ?? [])
  for (const tag of comments.flatMap(({ blockTags }) => blockTags)) {
    const type = tag.typeAnnotation?.slice(1, -1)
    if (type === undefined) continue
    const text = tag.content.length > 0 ? `${type}: ` : type
    tag.content.unshift({ kind: 'text', text })
  }
}

/**
 * What overrides an inherited member means the same, the members of an inline type are explained where it is used, and of a
 * constructor that takes nothing there is nothing to say.
 */
function isExplained({ overwrites, parent, kind, parameters }) {
  const takesNothing = kind === ReflectionKind.ConstructorSignature && !parameters?.length
  return overwrites !== undefined || parent?.kindOf(ReflectionKind.TypeLiteral) || takesNothing
}

/**
 * The markdown plugin takes `Vm.state` for a heading of its page, and counts the type `VmState` as the second one of that name:
 * links to a second heading where there is only one go to that one.
 */
function mendLinks() {
  const pages = new Map(readdirSync(out).map((name) => [name, readFileSync(join(out, name), 'utf8')]))
  const has = (page, anchor, nth) => {
    const headings = page.toLowerCase().match(/^#+ .*$/gm) ?? []
    return headings.filter((heading) => heading.replace(/^#+ |[^\w -]/g, '') === anchor).length > nth
  }
  for (const [name, page] of pages) {
    const mended = page.replace(/\]\(([\w.]*)#(\w+)-(\d+)\)/g, (link, file, anchor, nth) =>
      has(pages.get(file || name), anchor, Number(nth)) ? link : `](${file}#${anchor})`,
    )
    writeFileSync(join(out, name), mended)
  }
}

const app = await Application.bootstrapWithPlugins({
  name: 'API',
  entryPoints: entries,
  tsconfig,
  plugin: ['typedoc-plugin-markdown'],
  // tsc's affair.
  skipErrorChecking: true,
  outputs: [{ name: 'markdown', path: resolve(out) }],
  // A page for each entry point.
  router: 'module',
  flattenOutputFiles: true,
  readme: 'none',
  // No line of a source is named: a page changes when its API does.
  disableSources: true,
  disableGit: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeInternal: true,
  excludeExternals: true,
  hideBreadcrumbs: true,
  hidePageHeader: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  classPropertiesFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  propertyMembersFormat: 'table',
  enumMembersFormat: 'table',
  preservedTypeAnnotationTags: ['@throws'],
  // A brand.
  intentionallyNotExported: ['Id'],
})

const project = await app.convert()
if (project === undefined) throw new Error('typedoc could not read the sources')
app.validate(project)
nameThrownTypes(project)
for (const reflection of project.getReflectionsByKind(DOCUMENTED)) {
  if (!reflection.hasComment() && !isExplained(reflection))
    app.logger.error(`${reflection.getFullName()}: not documented`)
}
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1
else {
  await app.generateOutputs(project)
  mendLinks()
}
