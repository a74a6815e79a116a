package upshift_test

import (
	"context"
	"fmt"

	"upshift.example/upshift"
	"upshift.example/upshift/pprofdriver"
)

func ExampleStart() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	agent, err := upshift.Start(ctx, upshift.Config{
		RedisURL: "redis://127.0.0.1:6379",
		Service:  "checkout",
		Driver:   pprofdriver.New(pprofdriver.Config{ServerAddress: "http://pyroscope:4040"}),
	})
	if err != nil { // a wrong setting
		fmt.Println(err)
		return
	}
	defer agent.Stop(ctx)
}

func ExampleDriverFunc() {
	driver := upshift.DriverFunc(func(decision upshift.Decision) error {
		fmt.Println(decision.Hz)
		return nil
	})
	_, err := upshift.Start(context.Background(), upshift.Config{RedisURL: "http://x", Service: "checkout", Driver: driver})
	fmt.Println(err)
	// Output: upshift: a Redis URL does not begin with http://
}
