package contract

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const shared = "../../../contract"

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(shared, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

type vector struct {
	Name       string
	Plans      []json.RawMessage
	Attributes map[string]string
	Baseline   struct {
		Default      int64
		Environments map[string]int64
		Profiles     map[string]int64
	}
	LocalMax *int64 `json:"local_max"`
	NowMs    int64  `json:"now_ms"`
	Profile  string
	Expect   struct {
		Hz          int64
		Lease       *string
		UntilMs     *int64 `json:"until_ms"`
		ClampedFrom *int64 `json:"clamped_from"`
	}
}

func TestVectorsAreDecidedAlike(t *testing.T) {
	var file struct{ Cases []vector }
	if err := json.Unmarshal(read(t, "vectors.json"), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 150 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	for _, it := range file.Cases {
		t.Run(it.Name, func(t *testing.T) {
			var plans []*Plan
			for _, message := range it.Plans {
				plan, err := ReadPlan(message, nil)
				if err != nil {
					t.Fatal(err)
				}
				plans = append(plans, plan)
			}
			if it.Profile == "" {
				it.Profile = "cpu"
			}
			for range 2 {
				got := Resolve(plans, it.Attributes, Baseline(it.Baseline), it.LocalMax, it.NowMs, it.Profile)
				want := it.Expect
				var lease *string
				if got.Lease != nil {
					lease = &got.Lease.ID
				}
				if got.Hz != want.Hz || !same(lease, want.Lease) || !same(got.UntilMs, want.UntilMs) ||
					!same(got.ClampedFrom, want.ClampedFrom) {
					t.Errorf("got %+v, want %+v", got, want)
				}
				slices.Reverse(plans)
				for _, plan := range plans {
					slices.Reverse(plan.Leases)
				}
			}
		})
	}
}

func same[T comparable](a, b *T) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}

func TestGoldenPlansAreRead(t *testing.T) {
	plan, err := ReadPlan(read(t, "golden/plan.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Rev != 1795395815291229 || len(plan.Leases) != 2 || plan.After != -1 {
		t.Errorf("%+v", plan)
	}
	pin := plan.Leases[1]
	if pin.FractionFrom != 0.8044 || pin.Fraction != 0.25 || !slices.Equal(
		pin.Where["service.instance.id"], []string{"checkout-1", "checkout-2"}) {
		t.Errorf("%+v", pin)
	}
	fleet, err := ReadPlan(read(t, "golden/fleet.json"), nil)
	if err != nil || fleet.Baseline.Environments["staging"] != 49 || fleet.Baseline.Profiles["heap"] != 4 ||
		fleet.After != 1795395815291229 || fleet.Leases[0].Profile != "all" {
		t.Errorf("%+v %v", fleet, err)
	}
	smallest, err := ReadPlan(read(t, "golden/plan-smallest.json"), nil)
	if err != nil || len(smallest.Leases) != 1 || smallest.Leases[0].Profile != "cpu" ||
		smallest.Leases[0].Fraction != 1 || smallest.Baseline != nil {
		t.Errorf("%+v %v", smallest, err)
	}
	future, err := ReadPlan(read(t, "golden/plan-from-the-future.json"), nil)
	if err != nil || len(future.Leases) != 1 || len(future.Skipped) != 4 ||
		future.Skipped[0] != "lease 'burst/1': unknown kind 'burst'" {
		t.Errorf("%+v %v", future, err)
	}
}

func TestASignedPlanIsReadWithItsSecretOnly(t *testing.T) {
	message := read(t, "golden/plan-signed.json")
	for _, secrets := range [][]string{{"another", "a shared secret"}, nil} {
		if plan, err := ReadPlan(message, secrets); err != nil || len(plan.Leases) != 2 {
			t.Errorf("%v: %v", secrets, err)
		}
	}
	if _, err := ReadPlan(message, []string{"another"}); err == nil {
		t.Error("taken with another secret")
	}
	var outer map[string]string
	if err := json.Unmarshal(message, &outer); err != nil {
		t.Fatal(err)
	}
	for i := range len(outer["plan"]) {
		changed := []byte(outer["plan"])
		changed[i] ^= 1
		again, _ := json.Marshal(map[string]string{"plan": string(changed), "sig": outer["sig"]})
		if _, err := ReadPlan(again, []string{"a shared secret"}); err == nil {
			t.Fatalf("taken with byte %d changed", i)
		}
	}
}

func TestBadMessagesAreRefused(t *testing.T) {
	var cases []struct {
		Name, Plan, Status, Secret string
		isStatus                   bool
	}
	if err := json.Unmarshal(read(t, "golden/bad.json"), &cases); err != nil {
		t.Fatal(err)
	}
	for _, it := range cases {
		if strings.HasPrefix(it.Name, "status:") {
			continue // this SDK reads none
		}
		var secrets []string
		if it.Secret != "" {
			secrets = []string{it.Secret}
		}
		if plan, err := ReadPlan([]byte(it.Plan), secrets); err == nil {
			t.Errorf("%s: taken as %+v", it.Name, plan)
		}
	}
}

func TestWhatEncodingJSONWouldMendIsRefused(t *testing.T) {
	with := func(id string) []byte {
		return []byte(`{"v":1,"target":"fleet","rev":1,"now_ms":1,"x":"` + id + `"}`)
	}
	for _, it := range []string{"\xff", `\ud800`, `\udc00`, `\ud800A`, `\ud800\ud800`, `\uD83D\u0041`, "\xed\xa0\x80"} {
		if _, err := ReadPlan(with(it), nil); err == nil {
			t.Errorf("%q was taken", it)
		}
	}
	for _, it := range []string{`\ud83d\ude00`, `\\ud800`, "😀", `\u00e9`} {
		if _, err := ReadPlan(with(it), nil); err != nil {
			t.Errorf("%q: %v", it, err)
		}
	}
	deep := `{"v":1,"target":"fleet","rev":1,"now_ms":1,"x":` + strings.Repeat("[", 1<<20)
	if _, err := ReadPlan([]byte(deep), nil); err == nil {
		t.Error("nesting was followed")
	}
	for _, it := range []string{`{"V":1,"target":"fleet","rev":1,"now_ms":1}`, `{"v":1,"target":"fleet","rev":1,"now_ms":1}{}`,
		`{"v":1,"target":"fleet","rev":1.0,"now_ms":1}`, `{"v":1,"target":"fleet","rev":1e3,"now_ms":1}`} {
		if _, err := ReadPlan([]byte(it), nil); err == nil {
			t.Errorf("%s was taken", it)
		}
	}
	plan, err := ReadPlan([]byte(`{"v":2,"v":1,"target":"fleet","rev":1,"now_ms":1,"baseline":null}`), nil)
	if err != nil || plan.Baseline != nil {
		t.Errorf("of a field that comes twice the last counts: %v", err)
	}
}

func TestALeaseForAProfileOfNoNameIsSkipped(t *testing.T) {
	for _, profile := range []string{"null", "7", "[]", `"all"`} {
		plan, err := ReadPlan([]byte(`{"v":1,"target":"fleet","rev":1,"now_ms":1,"leases":[{"kind":"boost","profile":`+
			profile+`}]}`), nil)
		if err != nil || len(plan.Leases) != 0 || len(plan.Skipped) != 1 {
			t.Errorf("%s: %+v %v", profile, plan, err)
		}
	}
}

func TestAStatusIsWrittenAsTheGoldenOne(t *testing.T) {
	lease := &Lease{ID: "high_cpu/3f9a2c10", Kind: "boost", Because: map[string]any{"alertname": "HighCPU"}}
	until, asked, most, achieved := int64(1795396415291), int64(100), int64(50), 49.5
	revs := map[string]int64{"service/checkout": 1795395815291229, "fleet": 1795395815291230}
	decision := Decision{Hz: 50, Lease: lease, UntilMs: &until, ClampedFrom: &asked}
	status := Status{V: 1, Instance: "checkout-1", Attributes: map[string]string{"service.name": "checkout",
		"service.instance.id": "checkout-1", "process.pid": "4711", "upshift.process.start_ticks": "8815432",
		"upshift.agent.id": "c0ffee0012345678"}, Driver: "pyroscope", AtMs: 1795395816000, State: "applied",
		SinceMs: 1795395815900, Requested: Requested{revs, map[string]RequestedProfile{
			"cpu": Report(decision, Baseline{}, nil, "cpu")}},
		Applied: &Applied{revs, 1795395815900, map[string]AppliedProfile{"cpu": {50, &achieved}}},
		Skipped: []string{"lease 'x/1': unknown kind 'burst'"}, MaxHz: &most, SDK: "upshift-agent/0.1.0 python/3.11.7"}
	equal(t, status, read(t, "golden/status.json"))
	failed := "RuntimeError: no permission"
	equal(t, Status{V: 1, Instance: "worker-3", Attributes: map[string]string{"host.name": "worker-3"},
		Driver: "callable", AtMs: 1795395816000, State: "failed", SinceMs: 1795395815900,
		Requested: Requested{map[string]int64{}, map[string]RequestedProfile{
			"cpu": Report(Decision{Hz: 19}, Baseline{Default: 19}, nil, "cpu")}},
		Error: &failed, Skipped: []string{}}, read(t, "golden/status-failed.json"))
}

func equal(t *testing.T, status Status, golden []byte) {
	t.Helper()
	written, err := ToJSON(status)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if json.Unmarshal(written, &got) != nil || json.Unmarshal(golden, &want) != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("\n%s\n%s", written, golden)
	}
}

func TestNamesAndTextsOfThePage(t *testing.T) {
	for target, key := range map[string]string{"fleet": "upshift:v1:{fleet}:plan",
		"service/~a+{b}": "upshift:v1:{service/%7Ea%2B%7Bb%7D}:plan",
		"node/Zürich":    "upshift:v1:{node/Z%C3%BCrich}:plan"} {
		if got := Key("upshift", target, "plan"); got != key {
			t.Error(got, key)
		}
	}
	for _, it := range []struct {
		text    string
		longest int
		cleaned string
	}{{"Zürich is slow", 100, "Zürich is slow"}, {"two\nlines", 100, "two lines"}, {"\u001b[2J", 100, "\ufffd[2J"},
		{"a\u202eb", 100, "a\ufffdb"}, {"a\u2028b\tc", 100, "a b c"}, {"checkout", 5, "chec…"}, {"check", 5, "check"},
		{"a\xffb", 9, "a?b"}} {
		if got := Clean(it.text, it.longest); got != it.cleaned {
			t.Errorf("%q, want %q", got, it.cleaned)
		}
	}
	for id, want := range map[string]float64{"pod-a": 0.8044147865083487, "": 0.012759453148690536} {
		if got := share(&Lease{ID: "canary/1", SinceMs: 1800000000000}, id); got != want {
			t.Error(id, got, want)
		}
	}
	if got := Version(map[string]string{"service.version": "7", "service.name": "api",
		"deployment.environment": "staging", "k8s.namespace.name": "shop"}); got !=
		`{"deployment.environment.name":"staging","k8s.namespace.name":"shop","service.name":"api","service.version":"7"}` {
		t.Error(got)
	}
	if got := Version(map[string]string{"service.name": "checkout", "service.version": "two\nlines"}); got != "" {
		t.Error(got)
	}
}

func TestReasonsAreWordedAlike(t *testing.T) {
	number := func(text string) any { return json.Number(text) }
	for want, lease := range map[string]*Lease{
		"boost high_cpu/1: alert HighCPU":     {ID: "high_cpu/1", Kind: "boost", Because: map[string]any{"alertname": "HighCPU"}},
		"cap/2: rollback, by ann, via direct": {ID: "cap/2", Kind: "cap", Because: map[string]any{"by": "ann", "reason": "rollback", "via": "direct"}},
		"pin/3":                               {ID: "pin/3", Kind: "pin", Because: map[string]any{"by": true, "via": ""}},
		"pin/3: by 7":                         {ID: "pin/3", Kind: "pin", Because: map[string]any{"by": number("7"), "reason": number("0")}},
	} {
		if got := reason(Decision{Lease: lease}, Baseline{}, nil, "cpu"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	base := Baseline{Environments: map[string]int64{"staging": 1}, Profiles: map[string]int64{"wall": 0}}
	for profile, want := range map[string]string{"cpu": "baseline (staging)", "wall": "baseline (wall)", "lock": "baseline (off)"} {
		if got := reason(Decision{}, base, map[string]string{Environment: "staging"}, profile); got != want {
			t.Error(got, want)
		}
	}
}
