import type { BuildOptions, Metafile } from 'esbuild'

export function bundle(
  entryPoints: Readonly<Record<string, string>>,
  outdir: string,
  more?: BuildOptions,
): Promise<Metafile>
