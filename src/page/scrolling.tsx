/** Something with a name that scrolls, and so has to be reached by keys. */

import type { ComponentProps } from 'preact'

type ScrollingProps = Omit<ComponentProps<'section'>, 'name'> & { readonly name: string }

export function Scrolling({ name, children, ...more }: ScrollingProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls is not reached by keys otherwise
    <section {...more} aria-label={name} tabIndex={0}>
      {children}
    </section>
  )
}
