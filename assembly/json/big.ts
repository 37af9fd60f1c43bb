// Whole numbers of any size, as far as decimal numbers take them: 32 bits a limb, the lowest first.

export class Big {
  limbs: StaticArray<u32>;
  length: i32 = 0;

  constructor(most: i32) {
    this.limbs = new StaticArray<u32>(most);
  }

  set(value: u64): void {
    this.length = 0;
    while (value != 0) {
      this.limbs[this.length++] = <u32>value;
      value >>= 32;
    }
  }

  /** this * by + plus. */
  multiply(by: u32, plus: u32 = 0): void {
    let carry: u64 = plus;
    for (let at = 0; at < this.length; at++) {
      carry += <u64>this.limbs[at] * by;
      this.limbs[at] = <u32>carry;
      carry >>= 32;
    }
    if (carry != 0) this.limbs[this.length++] = <u32>carry;
    while (this.length > 0 && this.limbs[this.length - 1] == 0) this.length--;
  }

  power(base: u32, exponent: i32): void {
    for (let left = exponent; left > 0; left--) this.multiply(base);
  }

  shift(bits: i32): void {
    for (; bits >= 31; bits -= 31) this.multiply(<u32>1 << 31);
    if (bits > 0) this.multiply(<u32>1 << bits);
  }

  /** Below 0, 0, or above 0. */
  compare(other: Big): i32 {
    if (this.length != other.length) return this.length - other.length;
    for (let at = this.length - 1; at >= 0; at--) {
      if (this.limbs[at] != other.limbs[at]) return this.limbs[at] < other.limbs[at] ? -1 : 1;
    }
    return 0;
  }

  add(other: Big): void {
    let carry: u64 = 0;
    for (let at = 0; at < max(this.length, other.length) || carry != 0; at++) {
      carry += (at < this.length ? <u64>this.limbs[at] : 0) + (at < other.length ? <u64>other.limbs[at] : 0);
      this.limbs[at] = <u32>carry;
      carry >>= 32;
      if (at >= this.length) this.length = at + 1;
    }
  }

  /** Takes away what is not more than this. */
  subtract(other: Big): void {
    let borrow: i64 = 0;
    for (let at = 0; at < this.length; at++) {
      borrow += <i64>this.limbs[at] - (at < other.length ? <i64>other.limbs[at] : 0);
      this.limbs[at] = <u32>borrow;
      borrow >>= 32;
    }
    while (this.length > 0 && this.limbs[this.length - 1] == 0) this.length--;
  }

  /** Becomes equal to another one. */
  take(other: Big): void {
    for (let at = 0; at < other.length; at++) this.limbs[at] = other.limbs[at];
    this.length = other.length;
  }

  /** Times 2^32. */
  raise(): void {
    if (this.length == 0) return;
    for (let limb = this.length; limb > 0; limb--) this.limbs[limb] = this.limbs[limb - 1];
    this.limbs[0] = 0;
    this.length++;
  }
}
