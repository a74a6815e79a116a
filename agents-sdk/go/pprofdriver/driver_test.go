package pprofdriver

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"upshift.example/upshift"
)

func decisions(cpu, lock, heap int) map[string]upshift.Decision {
	return map[string]upshift.Decision{"cpu": {Hz: cpu}, "lock": {Hz: lock}, "heap": {Hz: heap}}
}

func TestAWindowEndsAtEachChange(t *testing.T) {
	windows := make(chan Window, 10)
	driver := New(Config{OnWindow: func(window Window) { windows <- window }})
	for _, hz := range []int{19, 50, 0} {
		if err := driver.Apply(context.Background(), decisions(hz, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for _, hz := range []int{19, 50} {
		if window := <-windows; window.Hz != hz || window.Profile != "cpu" || len(window.Pprof) == 0 {
			t.Errorf("%d: %+v", hz, window)
		}
	}
	if driver.Achieved()["cpu"] != 0 {
		t.Error("something runs at 0 Hz")
	}
}

func TestNoMoreThanTheKernelsTickIsToldAsAchieved(t *testing.T) {
	driver := New(Config{OnWindow: func(Window) {}})
	defer driver.Close()
	if err := driver.Apply(context.Background(), decisions(100_000, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if achieved := driver.Achieved()["cpu"]; achieved != float64(kernelHz()) {
		t.Error(achieved)
	}
}

func TestSomebodyElsesCPUProfileIsLeftAloneAndTakenOverWhenItEnds(t *testing.T) {
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Fatal(err)
	}
	driver := New(Config{OnWindow: func(Window) {}})
	defer driver.Close()
	for range 2 {
		if err := driver.Apply(context.Background(), decisions(19, 0, 0)); err == nil ||
			!strings.Contains(err.Error(), "somebody else profiles CPU") {
			t.Error(err)
		}
	}
	pprof.StopCPUProfile()
	if err := driver.Apply(context.Background(), decisions(19, 0, 0)); err != nil {
		t.Error(err)
	}
}

func TestContentionIsShippedAsWhatAWindowHasGained(t *testing.T) {
	windows := make(chan Window, 10)
	driver := New(Config{OnWindow: func(window Window) { windows <- window }})
	if err := driver.Apply(context.Background(), decisions(0, 1000, 0)); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	for range 5 {
		mu.Lock()
		go func() { time.Sleep(5 * time.Millisecond); mu.Unlock() }()
		mu.Lock()
		mu.Unlock() //nolint:staticcheck // what is waited for is the point
	}
	if err := driver.Close(); err != nil {
		t.Fatal(err)
	}
	if window := <-windows; window.Profile != "lock" || window.Hz != 1000 || len(window.Pprof) < 100 {
		t.Errorf("%+v", window)
	}
}

func TestAWindowIsPushedToPyroscopeWithTheAttributes(t *testing.T) {
	got := make(chan *http.Request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		_ = request.ParseMultipartForm(1 << 20)
		got <- request
	}))
	defer server.Close()
	driver := New(Config{ServerAddress: server.URL, TenantID: "a"})
	driver.Identify(map[string]string{"service.name": "checkout", "odd": "a,b}"})
	if err := driver.Apply(context.Background(), decisions(50, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if err := driver.Close(); err != nil {
		t.Fatal(err)
	}
	request := <-got
	if name := request.FormValue("name"); name != "checkout{odd=a_b_,service_name=checkout}" ||
		request.Header.Get("X-Scope-OrgID") != "a" || len(request.MultipartForm.File["profile"]) != 1 {
		t.Error(name, request.URL, request.MultipartForm)
	}
}
