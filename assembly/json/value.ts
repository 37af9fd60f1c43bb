// A JSON value as it was read.

export const NULL: i32 = 0;
export const BOOLEAN: i32 = 1;
export const NUMBER: i32 = 2;
export const TEXT: i32 = 3;
export const LIST: i32 = 4;
export const OBJECT: i32 = 5;

export class Value {
  /** Of TEXT. */
  text: string = '';
  /** Elements of a LIST, values of an OBJECT. */
  items: Value[] = NOTHING;
  /** Names of an OBJECT, in the order of `items`. */
  names: string[] = NO_NAMES;

  constructor(
    public kind: i32,
    /** Of NUMBER; 1 or 0 for true and false. */
    public number: f64 = 0,
  ) {}

  /** The value of a name; null where the object has none, or where this is no object. */
  at(name: string): Value | null {
    for (let at = 0; at < this.names.length; at++) if (this.names[at] == name) return this.items[at];
    return null;
  }
}

// Never written to: lists that stand for none.
export let NOTHING: Value[] = [];
export let NO_NAMES: string[] = [];

/** Before the first value of a call: what was there before is gone. */
export function resetValues(): void {
  NOTHING = [];
  NO_NAMES = [];
}
