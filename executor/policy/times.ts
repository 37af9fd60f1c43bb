/** Times of the week in which moving is allowed: `Mon-Fri 22:00-06:00`, `Sat,Sun`, `02:00-04:30`. */

import { InputError, show } from '../../src/errors.js'

/** A part of the week, in minutes from Monday 00:00 on. */
export interface Span {
  /** From this minute. */
  readonly begin: number
  /** Up to, without, this minute; where it goes on in the next week that is beyond this one. */
  readonly end: number
}

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const HOUR = 60
const DAY = 24 * HOUR
const WEEK = 7 * DAY
const EXPECTED = 'times such as "Mon-Fri 22:00-06:00", "Sat,Sun" or "02:00-04:30"'
const MAX_LENGTH = 64

/**
 * What ends before it begins ends on the next day.
 * @throws {InputError}
 */
export function parseTimes(text: string): Span[] {
  const refused = new InputError('', EXPECTED, show(text))
  if (text.length > MAX_LENGTH) throw refused
  const [, days, hours] = /^([A-Za-z][A-Za-z,-]*)?\s*(\d\d:\d\d-\d\d:\d\d)?$/.exec(text.trim()) ?? []
  if (days === undefined && hours === undefined) throw refused
  const [begin, end] = hours === undefined ? [0, DAY] : hours.split('-').map(minutesOf)
  if (begin === undefined || end === undefined || begin === end || begin === DAY) throw refused
  const first =
    days === undefined ? DAYS.map((_, day) => day) : days.split(',').flatMap((part) => daysOf(part, refused))
  return first.map((day) => ({ begin: day * DAY + begin, end: day * DAY + end + (end < begin ? DAY : 0) }))
}

function daysOf(part: string, refused: InputError): number[] {
  const [first = -1, last = first, ...more] = part.split('-').map((name) => DAYS.indexOf(name))
  if (first < 0 || last < 0 || more.length > 0) throw refused
  const count = ((last - first + DAYS.length) % DAYS.length) + 1
  return Array.from({ length: count }, (_, at) => (first + at) % DAYS.length)
}

/** Up to 24:00; `undefined`: there is no such time. */
function minutesOf(text: string): number | undefined {
  const [hours = 0, minutes = 0] = text.split(':').map(Number)
  const sum = hours * HOUR + minutes
  return minutes < HOUR && sum <= DAY ? sum : undefined
}

export function isWithin(spans: readonly Span[], minute: number): boolean {
  return spans.some(({ begin, end }) => (minute >= begin && minute < end) || minute + WEEK < end)
}

/**
 * The minute of the week that a clock there shows.
 * @param timeZone of the IANA; `null`: that of this system
 */
export function minuteOfWeek(at: Date, timeZone: string | null): number {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: timeZone ?? undefined,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]))
  return DAYS.indexOf(parts.get('weekday')!) * DAY + Number(parts.get('hour')) * HOUR + Number(parts.get('minute'))
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-GB', { timeZone: name })
    return true
  } catch {
    return false
  }
}
