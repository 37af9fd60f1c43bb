/** One of several VMs. */

interface VmSelectProps {
  readonly label: string
  readonly names: readonly string[]
  readonly chosen: string
  choose(name: string): void
}

export function VmSelect({ label, names, chosen, choose }: VmSelectProps) {
  return (
    <label>
      {label}{' '}
      <select value={chosen} onChange={({ currentTarget }) => choose(currentTarget.value)}>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  )
}
