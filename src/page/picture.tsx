/** The picture of a plan, in the colours that the reader prefers; vCPUs can be dragged to other CPUs. */

import { useEffect, useMemo, useState } from 'preact/hooks'
import { drawPicture } from '../picture/draw.js'
import type { Scene } from '../picture/scene.js'
import type { ThemeName } from '../picture/theme.js'
import type { Step } from './moved.js'
import { Scrolling } from './scrolling.js'

interface PictureProps {
  readonly scene: Scene
  /** Unique in the page. */
  readonly name: string
  readonly id: string
  move?(step: Step): void
}

const DARK = '(prefers-color-scheme: dark)'

export function useTheme(): ThemeName {
  const [isDark, setDark] = useState(matchMedia(DARK).matches)
  useEffect(() => {
    const query = matchMedia(DARK)
    const changed = () => setDark(query.matches)
    query.addEventListener('change', changed)
    return () => query.removeEventListener('change', changed)
  }, [])
  return isDark ? 'dark' : 'light'
}

export function Picture({ scene, name, id, move }: PictureProps) {
  const theme = useTheme()
  const svg = useMemo(() => drawPicture(scene, { theme, id }), [scene, theme, id])
  const [dragged, setDragged] = useState<Omit<Step, 'cpu'> | null>(null)
  return (
    <Scrolling
      class={dragged === null ? 'picture' : 'picture dragging'}
      name={name}
      onPointerDown={({ target }) => {
        if (move !== undefined && target instanceof SVGElement) setDragged(vcpuOf(target))
      }}
      onPointerUp={({ clientX, clientY }) => {
        const cpu = dragged === null ? null : cpuAt(clientX, clientY)
        if (dragged !== null && cpu !== null && move !== undefined) move({ ...dragged, cpu })
        setDragged(null)
      }}
      dangerouslySetInnerHTML={{ __html: svg }}
    />
  )
}

function vcpuOf({ dataset: { vm, vcpu } }: SVGElement): Omit<Step, 'cpu'> | null {
  return vm === undefined || vcpu === undefined ? null : { vm, vcpu: Number(vcpu) }
}

function cpuAt(x: number, y: number): number | null {
  const found = document.elementsFromPoint(x, y).find((element) => element instanceof SVGElement && element.dataset.cpu)
  return found === undefined ? null : Number((found as SVGElement).dataset.cpu)
}
