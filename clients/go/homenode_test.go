package homenode

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func lines(t *testing.T, name string) []string {
	text, err := os.ReadFile("../vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func number(t *testing.T, text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestCallsAreEqual(t *testing.T) {
	calls, err := NewCalls()
	if err != nil {
		t.Fatal(err)
	}
	defer calls.Close()
	count := 0
	for _, line := range lines(t, "calls.txt") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		call, result, _ := strings.Cut(line, " = ")
		words := strings.Split(call, " ")
		numbers := []float64{}
		for _, word := range words[1:] {
			numbers = append(numbers, number(t, word))
		}
		got, want := calls.Call(words[0], numbers...), number(t, result)
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%s: got %v", line, got)
		}
		count++
	}
	if count < 1000 {
		t.Fatalf("%d calls", count)
	}
}

func TestPlansAreEqualInGoroutinesWithAPlannerEach(t *testing.T) {
	vectors := lines(t, "plans.txt")
	var group sync.WaitGroup
	for thread := 0; thread < 2; thread++ {
		group.Add(1)
		go func() {
			defer group.Done()
			planner, err := NewPlanner()
			if err != nil {
				t.Error(err)
				return
			}
			for at := 0; at+3 < len(vectors); at += 4 {
				head := strings.Split(vectors[at], " ")
				steps, _ := strconv.Atoi(head[0])
				seed, _ := strconv.Atoi(head[1])
				isPlan, answer, err := planner.Answer([]byte(vectors[at+1]), []byte(vectors[at+2]), int32(steps), int32(seed))
				if err != nil || isPlan != (head[2] == "1") || string(answer) != vectors[at+3] {
					t.Errorf("vector %d differs: %v %s", at/4, err, answer)
					return
				}
			}
		}()
	}
	group.Wait()
	if len(vectors) < 200 {
		t.Fatalf("%d lines", len(vectors))
	}
}

func host() Host {
	made := Host{SchemaVersion: 1, Kind: "Host"}
	const pages = 1 << 18
	for id := 0; id < 2; id++ {
		pool := PagePool{Size: 4096, Total: Known(int64(pages)), Free: Known(int64(pages))}
		memory := Memory{Total: Known(int64(1 << 30)), Free: Known(int64(1 << 30))}
		made.Nodes = append(made.Nodes, HostNode{ID: id, Memory: memory, Pages: []PagePool{pool}})
	}
	for id := 0; id < 4; id++ {
		node := id / 2
		made.CPUs = append(made.CPUs, HostCPU{ID: id, Node: &node, LLC: &node, Core: Known(id), Thread: Known(0), Online: true, Allowed: true, Capacity: Known(1024)})
	}
	return made
}

func TestAVMIsPlannedAndAnotherRefused(t *testing.T) {
	planner, err := NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	defer planner.Close()
	cells := []Cell{{"0", "256MiB"}, {"1", "256MiB"}}
	request := Request{VMs: []VM{{Name: "small", VCPUs: 2, Memory: "512MiB", Cells: cells}, {Name: "large", VCPUs: 9, Memory: "1GiB"}}}
	plan, err := planner.Plan(host(), request)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Status != "partial" || len(plan.VMs) != 1 || len(plan.VMs[0].VCPUs) != 2 || len(plan.Refused) != 1 || len(plan.Refused[0].Because) == 0 {
		text, _ := json.Marshal(plan)
		t.Fatalf("%s", text)
	}
}

func TestCallsTakeNoOtherNamesAndNoneWhenClosed(t *testing.T) {
	calls, err := NewCalls()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "reset\x00x", "\x00", "re\x00set", "\xff", "nothing"} {
		if got := calls.Call(name); got != -3 {
			t.Errorf("%q: %v", name, got)
		}
	}
	if got := calls.Call("reset"); got != 0 {
		t.Errorf("reset: %v", got)
	}
	calls.Close()
	calls.Close()
	if got := calls.Call("reset"); got != -4 {
		t.Errorf("a closed planner: %v", got)
	}
}

func TestGoroutinesShareAPlanner(t *testing.T) {
	planner, err := NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	vectors := lines(t, "plans.txt")
	var group sync.WaitGroup
	for thread := 0; thread < 4; thread++ {
		group.Add(1)
		go func(first int) {
			defer group.Done()
			for at := first * 4; at+3 < len(vectors); at += 16 {
				head := strings.Split(vectors[at], " ")
				steps, _ := strconv.Atoi(head[0])
				seed, _ := strconv.Atoi(head[1])
				if _, answer, err := planner.Answer([]byte(vectors[at+1]), []byte(vectors[at+2]), int32(steps), int32(seed)); err != nil || string(answer) != vectors[at+3] {
					t.Errorf("vector %d differs: %v", at/4, err)
				}
			}
		}(thread)
	}
	group.Wait()
	planner.Close()
}

func TestWhatIsWrongIsTold(t *testing.T) {
	planner, err := NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	_, err = planner.Plan(host(), Request{VMs: []VM{{Name: "a", Memory: "1GiB"}}})
	if err == nil || err.Error() != "request: vms[0].vcpus: expected a whole number from 1 to 4096, got 0" {
		t.Fatal(err)
	}
	planner.Close()
	if _, err = planner.Plan(host(), Request{}); err == nil {
		t.Fatal("a closed planner has planned")
	}
}
