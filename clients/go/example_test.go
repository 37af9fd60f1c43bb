package homenode_test

import (
	"encoding/json"
	"fmt"

	"homenode"
)

func Example() {
	planner, err := homenode.NewPlanner()
	if err != nil {
		panic(err)
	}
	defer planner.Close()
	host := json.RawMessage(`{"schemaVersion": 1, "kind": "Host", "nodes": [{"id": 0, "memory": {"total": 8589934592, "free": 8589934592},
		"pages": [{"size": 4096, "total": 2097152, "free": 2097152}]}], "cpus": [
		{"id": 0, "node": 0, "package": 0, "llc": 0, "core": 0, "thread": 0, "online": true, "allowed": true, "isolated": false, "capacity": 1024}]}`)
	plan, err := planner.Plan(host, homenode.Request{VMs: []homenode.VM{{Name: "web", VCPUs: 1, Memory: "2GiB"}}})
	if err != nil {
		panic(err)
	}
	fmt.Println(plan.Status, plan.VMs[0].Name, plan.VMs[0].VCPUs[0].CPUs)
	// Output: optimal web 0
}
