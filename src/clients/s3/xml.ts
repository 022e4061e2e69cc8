/** An element of a reply: its text or its children, never both (S3 does not mix them). Attributes are not kept. */
export interface XmlElement {
  readonly name: string
  readonly text: string
  readonly children: readonly XmlElement[]
}

const DEPTH_MAX = 16
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const TOKEN =
  /<!\[CDATA\[([\s\S]*?)\]\]>|<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<(\/?)([A-Za-z_][\w.:-]*)((?:"[^"]*"|'[^']*'|[^<>"'])*)>/y

interface OpenElement {
  readonly name: string
  readonly children: XmlElement[]
  text: string
}

/**
 * The root element of an XML document as S3 servers write it. Document types are refused, and with them everything that
 * could make a reply larger than it is.
 *
 * @throws SyntaxError for what is no such document.
 */
export function parseXml(source: string): XmlElement {
  const document: OpenElement = { name: '', children: [], text: '' }
  const open: OpenElement[] = [document]
  for (let at = 0; at < source.length;) {
    const current = open.at(-1) ?? document
    const next = source.indexOf('<', at)
    const textEnd = next < 0 ? source.length : next
    current.text += decodeEntities(source.slice(at, textEnd))
    if (next < 0) break
    TOKEN.lastIndex = next
    const token = TOKEN.exec(source)
    if (token === null) throw new SyntaxError(`no XML at character ${next}`)
    at = TOKEN.lastIndex
    take(token, open, current)
    if (open.length > DEPTH_MAX) throw new SyntaxError(`more than ${DEPTH_MAX} elements inside each other`)
  }
  const [root, second] = document.children
  if (open.length > 1) throw new SyntaxError(`the element ${open.at(-1)?.name} does not end`)
  if (root === undefined || second !== undefined || document.text.trim() !== '')
    throw new SyntaxError('not one element')
  return root
}

function take(token: RegExpExecArray, open: OpenElement[], current: OpenElement): void {
  const [, cdata, slash, tag, rest] = token
  if (cdata !== undefined) current.text += cdata
  if (tag === undefined) return
  const name = tag.slice(tag.indexOf(':') + 1)
  if (slash === '/') {
    if (open.length === 1 || current.name !== name) throw new SyntaxError(`the end of ${name} without its beginning`)
    open.pop()
  } else if (rest?.endsWith('/') === true) current.children.push({ name, text: '', children: [] })
  else {
    const element: OpenElement = { name, children: [], text: '' }
    current.children.push(element)
    open.push(element)
  }
}

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replaceAll(/&(?:#(\d{1,7})|#x([\da-fA-F]{1,6})|(\w{1,8}));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[String(name)] ?? whole
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal)
    return code <= 0x10_ffff ? String.fromCodePoint(code) : whole
  })
}

/** Text of the first child with this name. */
export function textOf(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text
}

export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name)
}

/** Text as it may stand between two tags. */
export function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"'\r\n\t]/g, (character) => `&#${character.charCodeAt(0)};`)
}
