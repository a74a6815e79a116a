package contract

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// A Lease is one claim on the frequency, with an end of its own. Times are Redis time.
type Lease struct {
	ID, Kind, Profile      string
	Hz                     int64
	SinceMs, ExpiresAtMs   int64
	Where                  map[string][]string
	Fraction, FractionFrom float64
	Because                map[string]any
}

// A Baseline is the frequency where no lease applies: Default and Environments are cpu's.
type Baseline struct {
	Default      int64
	Environments map[string]int64
	Profiles     map[string]int64
}

// A Plan is all leases of one target at one revision.
type Plan struct {
	Target   string
	Rev      int64
	NowMs    int64
	After    int64 // -1: unsaid
	Leases   []*Lease
	Baseline *Baseline
	Skipped  []string // a line for each lease that cannot be followed
}

// ReadPlan reads a message. With secrets it takes only what one of them has signed; without, all.
func ReadPlan(message []byte, secrets []string) (*Plan, error) {
	outer, err := parse(message)
	if err != nil {
		return nil, err
	}
	sig, signed := outer["sig"]
	if !signed {
		if len(secrets) > 0 {
			return nil, errors.New("this plan is not signed, and a secret is set")
		}
		return planOf(outer)
	}
	text, ok := outer["plan"].(string)
	if !ok {
		return nil, errors.New("the plan of a signed message must be a string")
	}
	if len(secrets) > 0 {
		if err := verify(text, sig, secrets); err != nil {
			return nil, err
		}
	}
	inner, err := parse([]byte(text))
	if err != nil {
		return nil, err
	}
	return planOf(inner)
}

func verify(text string, sig any, secrets []string) error {
	given, ok := sig.(string)
	if !ok {
		return errors.New("the sig of a signed message must be a string")
	}
	fits := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		if hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(given)) {
			fits = true
		}
	}
	if !fits {
		return errors.New("this plan's signature fits none of the secrets")
	}
	return nil
}

func planOf(from object) (*Plan, error) {
	r := &reader{of: "plan", from: from}
	if r.whole("v") != 1 || r.err != nil {
		return nil, fmt.Errorf("plan version must be 1, got %.40s", shown(from["v"]))
	}
	plan := &Plan{Target: r.text("target"), Rev: r.whole("rev"), NowMs: r.whole("now_ms"), After: -1}
	if from["after"] != nil {
		plan.After = r.whole("after")
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := CheckTarget(plan.Target); err != nil {
		return nil, err
	}
	if value, there := from["leases"]; there {
		leases, ok := value.([]any)
		if !ok {
			return nil, errors.New("plan.leases must be a list")
		}
		if len(leases) > MaxLeases {
			return nil, fmt.Errorf("%d leases are more than the %d of a plan", len(leases), MaxLeases)
		}
		for _, item := range leases {
			lease, skipped, err := leaseOf(item)
			switch {
			case err != nil:
				return nil, err
			case lease == nil:
				plan.Skipped = append(plan.Skipped, skipped)
			default:
				plan.Leases = append(plan.Leases, lease)
			}
		}
	}
	if plan.Target == "fleet" && from["baseline"] != nil {
		baseline, err := objectOf(from["baseline"], "baseline")
		if err != nil {
			return nil, err
		}
		b := &reader{of: "baseline", from: baseline}
		plan.Baseline = &Baseline{Default: b.whole("default"),
			Environments: b.wholes("environments"), Profiles: b.wholes("profiles")}
		if b.err != nil {
			return nil, b.err
		}
	}
	return plan, nil
}

// leaseOf returns a lease, or why it is skipped.
func leaseOf(item any) (*Lease, string, error) {
	from, err := objectOf(item, "lease")
	if err != nil {
		return nil, "", err
	}
	r := &reader{of: "lease", from: from}
	kind := r.text("kind")
	if r.err != nil {
		return nil, "", r.err
	}
	id, _ := from["id"].(string)
	if kind != "boost" && kind != "pin" && kind != "cap" {
		return nil, fmt.Sprintf("lease '%s': unknown kind '%s'", Clean(id, 100), Clean(kind, 100)), nil
	}
	profile := "cpu"
	if value, there := from["profile"]; there {
		var ok bool
		if profile, ok = value.(string); !ok {
			profile = shown(value) // whatever it is, it is none that this agent knows
		}
	}
	if !known(profile) && (profile != "all" || kind != "cap") {
		return nil, fmt.Sprintf("lease '%s': unknown profile '%s'", Clean(id, 100), Clean(profile, 100)), nil
	}
	lease := &Lease{ID: r.text("id"), Kind: kind, Profile: profile, Hz: r.whole("hz"),
		SinceMs: r.whole("since_ms"), ExpiresAtMs: r.whole("expires_at_ms"),
		Fraction: r.number("fraction", 1), FractionFrom: r.number("fraction_from", 0),
		Because: r.object("because")}
	if !(lease.Fraction > 0 && lease.Fraction <= 1) {
		r.wrong("fraction", "above 0 and at most 1")
	}
	if !(lease.FractionFrom >= 0 && lease.FractionFrom < 1) {
		r.wrong("fraction_from", "from 0 to below 1")
	}
	lease.Where = whereOf(r)
	return lease, "", r.err
}

func whereOf(r *reader) map[string][]string {
	where := map[string][]string{}
	for name, value := range r.object("where") {
		texts := []string{}
		items, ok := value.([]any)
		if !ok {
			items = []any{value}
		}
		for _, item := range items {
			text, ok := item.(string)
			if !ok {
				r.wrong("where", "of texts or lists of texts")
			}
			texts = append(texts, text)
		}
		where[name] = texts
	}
	return presentNames(where)
}

func known(profile string) bool {
	for _, it := range Profiles {
		if it == profile {
			return true
		}
	}
	return false
}

// presentNames returns the same with the older spelling of the environment under its present name,
// which beats the older one.
func presentNames[T any](attributes map[string]T) map[string]T {
	const older = "deployment.environment"
	renamed := make(map[string]T, len(attributes))
	for name, value := range attributes {
		renamed[name] = value
	}
	if value, there := renamed[older]; there {
		delete(renamed, older)
		if _, there := renamed[Environment]; !there {
			renamed[Environment] = value
		}
	}
	return renamed
}

// PresentNames returns attributes under their present names.
func PresentNames(attributes map[string]string) map[string]string { return presentNames(attributes) }

// ToJSON returns a value as the contract's JSON: UTF-8 as it is, no spaces, keys of maps in order.
func ToJSON(value any) ([]byte, error) {
	var buffer writer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return buffer[:len(buffer)-1], nil // without the line's end
}

type writer []byte

func (w *writer) Write(more []byte) (int, error) {
	*w = append(*w, more...)
	return len(more), nil
}
