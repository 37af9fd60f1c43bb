/** XML read with the places of its parts, and edited there. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { editXml } from '../../src/formats/xml/edit.js'
import { parseXml, type XmlElement } from '../../src/formats/xml/parse.js'
import { type Wanted, writeElement } from '../../src/formats/xml/wanted.js'

function refused(text: string): string {
  try {
    parseXml(text)
  } catch (error) {
    assert.instance(error, InputError)
    return (error as InputError).message
  }
  throw new Error(`taken: ${text.slice(0, 80)}`)
}

function edit(text: string, wanted: Wanted): string {
  const edited = editXml(text, parseXml(text), wanted)
  assert.is(editXml(edited, parseXml(edited), wanted), edited, 'the same again changes nothing')
  return edited
}

const pins = (...cpus: string[]): Wanted => ({
  name: 'a',
  children: cpus.map((cpuset, vcpu) => ({ name: 'pin', key: 'vcpu', attributes: { vcpu: `${vcpu}`, cpuset } })),
  only: ['pin'],
  order: ['before', 'pin', 'after'],
})

test('each element and attribute is where the text has it', () => {
  const text =
    '<a>\r\n  <b x = \'1&amp;2\' y="\u{1f600}>"/>\r\n\u{1f600} <c  ><![CDATA[<z>]]>t<!-- <q> --></c >\r\n</a>\n'
  const places = ({ whole, inner, attributes, children, name, where }: XmlElement): unknown => ({
    name,
    where,
    whole: text.slice(whole.start, whole.end),
    inner: inner && text.slice(inner.start, inner.end),
    attributes: [...attributes].map(([key, { value, whole: all, inner: quoted }]) => [
      key,
      value,
      text.slice(all.start, all.end),
      text.slice(quoted.start, quoted.end),
    ]),
    children: children.map(places),
  })
  assert.equal(parseXml(text).children.map(places), [
    {
      name: 'b',
      where: 'line 2, column 3',
      whole: '<b x = \'1&amp;2\' y="\u{1f600}>"/>',
      inner: null,
      attributes: [
        ['x', '1&2', " x = '1&amp;2'", '1&amp;2'],
        ['y', '\u{1f600}>', ' y="\u{1f600}>"', '\u{1f600}>'],
      ],
      children: [],
    },
    {
      name: 'c',
      where: 'line 3, column 3',
      whole: '<c  ><![CDATA[<z>]]>t<!-- <q> --></c >',
      inner: '<![CDATA[<z>]]>t<!-- <q> -->',
      attributes: [],
      children: [],
    },
  ])
  assert.is(parseXml(text).children[1]!.text, '<z>t')
})

test('text behind a tag that looks like an attribute is none', () => {
  const [b] = parseXml('<a><b x="1" />\n = "2" y="3"</a>').children
  assert.equal([...b!.attributes.keys()], ['x'])
})

test('an element of a namespace is none of the same name without one', () => {
  const root = parseXml('<a xmlns:n="urn:n"><n:vcpu n:x="1" x="2"/><vcpu xmlns="urn:m"/><vcpu/></a>')
  assert.equal(
    root.children.map(({ name }) => name),
    ['{urn:n}vcpu', '{urn:m}vcpu', 'vcpu'],
  )
  assert.equal([...root.children[0]!.attributes.keys()], ['x'])
})

test('what is no XML is refused where it is', () => {
  assert.match(refused('<a>\n  <b></a>'), /^line 2, column 9: expected well-formed XML, got "unexpected close tag/)
  assert.match(refused('<a>\n&x;</a>'), /^line 2, column 3: .*undefined entity/)
  assert.match(refused('<a/><b/>'), /one root/)
  assert.match(refused('<a><n:b/></a>'), /unbound namespace prefix/)
  assert.match(refused('<a b="1" b="2"/>'), /duplicate attribute/)
  assert.match(refused('<a b="<"/>'), /disallowed character/)
  for (const text of ['', ' \n', 'hello', '<a>', '<a', '<a>\0</a>', '{"vms": []}', '<!-- -->']) refused(text)
})

test('a DOCTYPE is refused before anything of it is expanded', () => {
  const bomb = [
    '<!DOCTYPE a [',
    ...Array.from({ length: 30 }, (_, i) => `<!ENTITY e${i + 1} "&e${i};&e${i};">`),
    ']><a>&e30;</a>',
  ]
  assert.match(
    refused(bomb.join('\n')),
    /expected XML without a DOCTYPE \(entities are never expanded\), got a DOCTYPE$/,
  )
  assert.match(refused('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'), /without a DOCTYPE/)
})

test('another encoding, depth without end and size without end are refused', () => {
  assert.match(
    refused('<?xml version="1.0" encoding="UTF-16"?><a/>'),
    /expected XML in UTF-8, got the encoding "UTF-16"/,
  )
  assert.match(
    refused('<a>'.repeat(300)),
    /^line 1, column 771: expected elements in at most 256 others, got "a" in more/,
  )
  assert.match(refused(`<a>${' '.repeat(4 * 1024 ** 2)}</a>`), /expected XML of at most 4 MiB, got more/)
  assert.is(parseXml(`${'<a>'.repeat(256)}${'</a>'.repeat(256)}`).name, 'a')
})

test('whatever it is given, it gives an element or an InputError', () => {
  const piece = fc.constantFrom(
    '<a>',
    '</a>',
    '<a/>',
    '<b c="',
    '"',
    "'",
    ' x=',
    '&amp;',
    '&#0;',
    '&#x10ffff;',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '<?',
    '?>',
    '\u0001',
    '\r',
    '\n',
    '\u{1f600}',
    '<!',
    '>',
    'xmlns="u"',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, inside) => {
      const text = inside ? `<a>${pieces.join('')}</a>` : pieces.join('')
      try {
        const { whole } = parseXml(text)
        assert.match(text.slice(whole.start, whole.end), /^<a.*>$/s)
      } catch (error) {
        assert.instance(error, InputError, `${error}`)
      }
    }),
    { numRuns: 3000 },
  )
})

test('values are replaced inside of their quotes', () => {
  const text = `<a>\n\t<pin  cpuset = "0"\n vcpu='0' other="&lt;"/> <!-- 0 --></a>`
  assert.is(edit(text, pins('4-7')), text.replace('"0"', '"4-7"'))
  assert.is(edit(text, pins('0')), text)
})

test('what is missing is added where it belongs, as its neighbours stand', () => {
  assert.is(
    edit('<a>\n    <before/>\n    <after/>\n</a>', pins('1', '2')),
    "<a>\n    <before/>\n    <pin vcpu='0' cpuset='1'/>\n    <pin vcpu='1' cpuset='2'/>\n    <after/>\n</a>",
  )
  assert.is(edit('<a>\r\n\t<after/>\r\n</a>', pins('1')), "<a>\r\n\t<pin vcpu='0' cpuset='1'/>\r\n\t<after/>\r\n</a>")
  assert.is(edit('<a><before/></a>', pins('1')), "<a><before/><pin vcpu='0' cpuset='1'/></a>")
  assert.is(edit('<a/>', pins('1')), "<a>\n  <pin vcpu='0' cpuset='1'/>\n</a>")
  assert.is(edit('<a ></a >', pins('1')), "<a >\n  <pin vcpu='0' cpuset='1'/>\n</a >")
  assert.is(edit('<a><!-- c --></a>', pins('1')), "<a>\n  <pin vcpu='0' cpuset='1'/><!-- c --></a>")
})

test('a comment stays behind what it is about', () => {
  const text =
    '<a> <!-- of a -->\n  <pin vcpu="0" cpuset="1"/> <!-- one --><!-- two -->\n  <after/> <!-- after -->\n</a>'
  const two = text.replace('two -->', "two -->\n  <pin vcpu='1' cpuset='2'/>")
  assert.is(edit(text, pins('1', '2')), two)
  const other = { name: 'a', children: [{ name: 'new' }], only: ['new'] }
  assert.is(edit(text, other), text.replace('of a -->', 'of a -->\n  <new/>'))
  const inline = '<a>\n  <pin vcpu="0" cpuset="1"/> <!-- of after --> <after/> <!-- z -->\n</a>'
  assert.is(edit(inline, pins('1', '2')), inline.replace('"1"/>', "\"1\"/>\n  <pin vcpu='1' cpuset='2'/>"))
})

test('what is too much goes with its line', () => {
  const text = '<a>\n  <pin vcpu="0" cpuset="1"/>\n\n  <pin vcpu="1" cpuset="2"/><!-- kept -->\n  <after/>\n</a>'
  assert.is(edit(text, pins('1')), '<a>\n  <pin vcpu="0" cpuset="1"/>\n<!-- kept -->\n  <after/>\n</a>')
  assert.is(edit('<a><pin vcpu="3"/> <pin vcpu="3"/></a>', pins()), '<a> </a>')
})

test('of elements with the same key, or with none, each is taken once', () => {
  assert.is(
    edit('<a><pin vcpu="0" cpuset="1"/><pin cpuset="5"/><pin vcpu="0" cpuset="9"/></a>', pins('2')),
    '<a><pin vcpu="0" cpuset="2"/></a>',
  )
})

test('an attribute that is not wanted goes, one that is missing comes behind the others', () => {
  const wanted = { name: 'a', attributes: { x: null, y: '1', z: '\'<&>"' } }
  assert.is(edit('<a q = "0"  x="2"  />', wanted), `<a q = "0" y='1' z='&apos;&lt;&amp;&gt;&quot;'  />`)
  assert.is(edit('<a\n  y="2"\n>t</a>', wanted), `<a\n  y="1" z='&apos;&lt;&amp;&gt;&quot;'\n>t</a>`)
})

test('text that is as wanted stays as it stands', () => {
  const wanted = { name: 'a', text: '4' }
  for (const text of ['<a> 4\n</a>', '<a>&#52;</a>', '<a><![CDATA[4]]></a>']) assert.is(edit(text, wanted), text)
  assert.is(edit('<a>3</a>', wanted), '<a>4</a>')
  assert.is(edit('<a/>', wanted), '<a>4</a>')
})

test('any text comes back as it was written; what XML cannot hold is refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), (text) => {
      const element = { name: 'a', attributes: { b: text }, children: [{ name: 'c', text }] }
      let written: string
      try {
        written = writeElement(element, { newline: '\n', step: ' ' })
      } catch (error) {
        assert.instance(error, InputError)
        return
      }
      const root = parseXml(written)
      // White space in an attribute is read as spaces, of which names have no others.
      assert.is(root.attributes.get('b')!.value, text.replace(/[\t\n\r]/g, ' '))
      assert.is(root.children[0]!.text, text.replace(/\r\n?/g, '\n'))
    }),
  )
  assert.throws(
    () => writeElement({ name: 'a', text: '\0' }, { newline: '', step: '' }),
    /characters that XML can hold/,
  )
})

test.run()
