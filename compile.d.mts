/** For the module as it is packed. */
export const RELEASE: readonly string[]

/** Arguments of asc; memory in pages of 64 KiB. */
export function ascArguments(source: string, file: string, maximumPages: number, options: readonly string[]): string[]
