package homenode

// Host, Request and Plan as in homenode's JSON files (docs/requests.md, docs/api). Sizes in a request are text with a unit, elsewhere bytes. What is
// nil in a host the kernel does not say; what is empty in a request has the default of the model.

// PagePool is pages of one size on one node.
type PagePool struct {
	Size  int64  `json:"size"`
	Total *int64 `json:"total"`
	Free  *int64 `json:"free"`
}

// Memory is bytes of a node.
type Memory struct {
	Total       *int64 `json:"total"`
	Free        *int64 `json:"free"`
	Reclaimable *int64 `json:"reclaimable,omitempty"`
}

// HostNode is a NUMA node.
type HostNode struct {
	ID        int        `json:"id"`
	Memory    Memory     `json:"memory"`
	Pages     []PagePool `json:"pages"`
	Allowed   *bool      `json:"allowed,omitempty"`
	Bandwidth *float64   `json:"bandwidth,omitempty"`
}

// HostCPU is a logical processor.
type HostCPU struct {
	ID       int  `json:"id"`
	Node     *int `json:"node"`
	Package  *int `json:"package"`
	LLC      *int `json:"llc"`
	Core     *int `json:"core"`
	Thread   *int `json:"thread"`
	Online   bool `json:"online"`
	Allowed  bool `json:"allowed"`
	Isolated bool `json:"isolated"`
	Capacity *int `json:"capacity"`
}

// Limit is the most pages of one size on all nodes together.
type Limit struct {
	Size  int64  `json:"size"`
	Pages int64  `json:"pages"`
	Cause string `json:"cause"`
}

// HandOver is how many ns a value takes from the CPU that writes it to one that waits for it; nil is not known.
type HandOver struct {
	Core  *float64     `json:"core"`
	LLC   *float64     `json:"llc"`
	Node  *float64     `json:"node"`
	Nodes [][]*float64 `json:"nodes"`
}

// Measures is what `homenode calibrate` measured: ns, bytes a second, ns, and what two busy siblings yield, one alone being 1.
type Measures struct {
	Latencies  [][]*float64 `json:"latencies,omitempty"`
	Bandwidths [][]*float64 `json:"bandwidths,omitempty"`
	Hops       *HandOver    `json:"hops,omitempty"`
	SMT        *float64     `json:"smt,omitempty"`
}

// Host is a machine, as `homenode topo --json` prints it, or `homenode calibrate`.
type Host struct {
	SchemaVersion int        `json:"schemaVersion"`
	Kind          string     `json:"kind"`
	Nodes         []HostNode `json:"nodes"`
	Distances     [][]int    `json:"distances,omitempty"`
	CPUs          []HostCPU  `json:"cpus"`
	Measures
	Spread *Measures `json:"spread,omitempty"`
	Limits []Limit   `json:"limits,omitempty"`
}

// Reserve is what is kept for the host.
type Reserve struct {
	CPUs   string `json:"cpus,omitempty"`
	Memory string `json:"memory,omitempty"`
	Nodes  string `json:"nodes,omitempty"`
}

// Device is a device that a VM uses.
type Device struct {
	Node   int   `json:"node"`
	Strict *bool `json:"strict,omitempty"`
}

// Part is memory of a cell on a node.
type Part struct {
	Node  int   `json:"node"`
	Bytes int64 `json:"bytes"`
}

// PlanCell is a guest's NUMA node, placed.
type PlanCell struct {
	Cell     int    `json:"cell"`
	PageSize int64  `json:"pageSize"`
	Memory   []Part `json:"memory"`
}

// PlanVCPU is a vCPU, placed: on one CPU where it is dedicated, else on all that it may float over.
type PlanVCPU struct {
	VCPU      int    `json:"vcpu"`
	Cell      int    `json:"cell"`
	Node      int    `json:"node"`
	CPUs      string `json:"cpus"`
	Dedicated bool   `json:"dedicated"`
}

// Current is where a VM is now.
type Current struct {
	Cells []PlanCell `json:"cells"`
	VCPUs []PlanVCPU `json:"vcpus"`
}

// VM is one VM of a request. Cells is "auto", a number, or a list of Cell; Traffic "uniform" or a matrix; Bandwidth text or a number.
type VM struct {
	Name             string   `json:"name"`
	VCPUs            int      `json:"vcpus"`
	Memory           string   `json:"memory"`
	Cells            any      `json:"cells,omitempty"`
	Span             bool     `json:"span,omitempty"`
	CPUPolicy        string   `json:"cpuPolicy,omitempty"`
	DedicatedVCPUs   string   `json:"dedicatedVcpus,omitempty"`
	ThreadPolicy     string   `json:"threadPolicy,omitempty"`
	MemoryPolicy     string   `json:"memoryPolicy,omitempty"`
	PageSize         string   `json:"pageSize,omitempty"`
	Demand           float64  `json:"demand,omitempty"`
	MemoryNodes      string   `json:"memoryNodes,omitempty"`
	AvoidDeviceNodes *bool    `json:"avoidDeviceNodes,omitempty"`
	Devices          []Device `json:"devices,omitempty"`
	Trust            string   `json:"trust,omitempty"`
	SeparateFrom     []string `json:"separateFrom,omitempty"`
	Near             []string `json:"near,omitempty"`
	Emulator         string   `json:"emulator,omitempty"`
	IOThreads        int      `json:"iothreads,omitempty"`
	Weight           float64  `json:"weight,omitempty"`
	Traffic          any      `json:"traffic,omitempty"`
	MemoryBound      *float64 `json:"memoryBound,omitempty"`
	Bandwidth        any      `json:"bandwidth,omitempty"`
	Current          *Current `json:"current,omitempty"`
}

// Cell is a guest's NUMA node, as a request gives it.
type Cell struct {
	VCPUs  string `json:"vcpus"`
	Memory string `json:"memory"`
}

// Request is VMs that are to be placed together on a host. Model has the coefficients of the cost by their names.
type Request struct {
	Reserve        *Reserve           `json:"reserve,omitempty"`
	FreeMemoryOnly bool               `json:"freeMemoryOnly,omitempty"`
	DeviceNodes    string             `json:"deviceNodes,omitempty"`
	Overcommit     float64            `json:"overcommit,omitempty"`
	Strategy       string             `json:"strategy,omitempty"`
	Model          map[string]float64 `json:"model,omitempty"`
	Expect         []Expected         `json:"expect,omitempty"`
	VMs            []VM               `json:"vms"`
}

// Expected is VMs of a size that may come later. A share of 0 is left out, and counts as 1.
type Expected struct {
	VCPUs  int     `json:"vcpus"`
	Memory string  `json:"memory"`
	Share  float64 `json:"share,omitempty"`
}

// Cost is lost vCPUs, and by cause. LowerBound and Gap are those of a plan.
type Cost struct {
	LostVCPUs  float64            `json:"lostVcpus"`
	LowerBound float64            `json:"lowerBound"`
	Gap        float64            `json:"gap"`
	Terms      map[string]float64 `json:"terms"`
}

// PlanVM is a VM, placed.
type PlanVM struct {
	Name      string     `json:"name"`
	Cost      Cost       `json:"cost"`
	Cells     []PlanCell `json:"cells"`
	VCPUs     []PlanVCPU `json:"vcpus"`
	Emulator  string     `json:"emulator"`
	IOThreads []string   `json:"iothreads"`
}

// Because is a constraint that keeps a VM out, with the numbers.
type Because struct {
	Constraint string `json:"constraint"`
	Text       string `json:"text"`
}

// Nearest is a single change that would let a VM in.
type Nearest struct {
	Change    string  `json:"change"`
	LostVCPUs float64 `json:"lostVcpus"`
}

// Refusal is a VM that does not fit.
type Refusal struct {
	Name    string    `json:"name"`
	Proven  bool      `json:"proven"`
	Because []Because `json:"because"`
	Nearest []Nearest `json:"nearest"`
}

// Move is a cell that goes to its next place. Moves of one step are made together.
type Move struct {
	Step      int        `json:"step"`
	VM        string     `json:"vm"`
	Cell      int        `json:"cell"`
	Redivides bool       `json:"redivides"`
	VCPUs     []PlanVCPU `json:"vcpus"`
	PageSize  int64      `json:"pageSize"`
	Memory    []Part     `json:"memory"`
	Bytes     int64      `json:"bytes"`
}

// Spare is what would have to be free for the rest of the moves. Node is nil where any would do.
type Spare struct {
	Node  *int   `json:"node"`
	CPUs  int    `json:"cpus"`
	Bytes int64  `json:"bytes"`
	Text  string `json:"text"`
}

// Solver is which planner made the plan, and with what.
type Solver struct {
	Planner string `json:"planner"`
	Seed    int    `json:"seed"`
	Steps   int    `json:"steps"`
}

// Plan is where the VMs of a request go, what that costs, and what does not fit.
type Plan struct {
	Status  string    `json:"status"`
	Cost    Cost      `json:"cost"`
	VMs     []PlanVM  `json:"vms"`
	Refused []Refusal `json:"refused"`
	Moves   []Move    `json:"moves"`
	Spare   []Spare   `json:"spare"`
	Solver  Solver    `json:"solver"`
}

// Known is a pointer to what is known of a host.
func Known[T any](value T) *T {
	return &value
}
