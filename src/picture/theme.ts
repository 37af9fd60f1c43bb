/** Colours: of the two themes, and of VMs. All are `#rrggbb`, as every renderer of SVG takes them. */

/** Which of the two: dark ink on a light page, or the other way round. */
export const THEME_NAMES = ['light', 'dark'] as const
export type ThemeName = (typeof THEME_NAMES)[number]

export interface Theme {
  readonly page: string
  readonly ink: string
  /** Text that matters less. */
  readonly faint: string
  /** Lines around boxes. */
  readonly line: string
  readonly package: string
  readonly node: string
  readonly llc: string
  readonly core: string
  /** A CPU that VMs may use. */
  readonly cpu: string
  /** A CPU, or memory, that is kept for the host. */
  readonly reserved: string
  /** Memory that others have. */
  readonly used: string
  /** What is switched off or out of reach. */
  readonly away: string
  readonly refused: string
}

export const THEMES: Readonly<Record<ThemeName, Theme>> = {
  light: {
    page: '#ffffff',
    ink: '#1a1a1a',
    faint: '#555555',
    line: '#8a8a8a',
    package: '#f4f4f4',
    node: '#e9edf2',
    llc: '#f7f8fa',
    core: '#dfe4ea',
    cpu: '#ffffff',
    reserved: '#b9b9b9',
    used: '#cfcfcf',
    away: '#eeeeee',
    refused: '#a30000',
  },
  dark: {
    page: '#15181c',
    ink: '#f0f0f0',
    faint: '#b4b8bd',
    line: '#7d848c',
    package: '#1d2126',
    node: '#262c34',
    llc: '#1b1f25',
    core: '#333b46',
    cpu: '#101317',
    reserved: '#5c6168',
    used: '#484d54',
    away: '#22262b',
    refused: '#ff9d94',
  },
}

/** Okabe and Ito's palette without black: people who see fewer colours tell them apart. */
const BASES = ['#56b4e9', '#e69f00', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7']
/** How far each further round of them goes to white (above 0) or to black. */
const ROUNDS = [0, 0.5, -0.4, 0.25, -0.2]

/**
 * The colour of the VM with this index. The first seven differ as much as colours can; the first 35 are different from each
 * other. Beyond that they repeat, so a box always has the VM's letters, too.
 */
export function colourOfVm(index: number): string {
  const base = BASES[index % BASES.length]!
  const shift = ROUNDS[Math.floor(index / BASES.length) % ROUNDS.length]!
  return mixed(base, shift < 0 ? '#000000' : '#ffffff', Math.abs(shift))
}

function channels(colour: string): [number, number, number] {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)) as [number, number, number]
}

function mixed(colour: string, other: string, share: number): string {
  const others = channels(other)
  const parts = channels(colour).map((value, at) => Math.round(value + (others[at]! - value) * share))
  return `#${parts.map((value) => value.toString(16).padStart(2, '0')).join('')}`
}

/** Contrast of two colours, 1 to 21. Source: WCAG 2.2, "contrast ratio" and "relative luminance". */
export function contrast(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number]
  return (high + 0.05) / (low + 0.05)
}

function luminance(colour: string): number {
  const [red, green, blue] = channels(colour).map((value) => {
    const part = value / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/** Black or white: what can be read better on this colour. */
export function inkOn(colour: string): string {
  return contrast(colour, '#000000') >= contrast(colour, '#ffffff') ? '#000000' : '#ffffff'
}
