package upshift.agent.running;

import java.util.List;
import java.util.Map;
import java.util.Set;
import upshift.agent.contract.Baseline;
import upshift.agent.driver.Driver;
import upshift.agent.driver.Profile;

/** What an agent was told, checked. */
public final class Settings {
  /** Where Redis is. */
  public RedisUrl redis;

  /** First part of every key. */
  public String namespace;

  /** What plans must be signed with; none: no signature is needed. */
  public List<byte[]> secrets;

  /** Who the agent is. */
  public Map<String, String> attributes;

  /** Whose plans it follows; the first has its status. */
  public List<String> targets;

  /** Its own baseline. */
  public Baseline baseline;

  /** Its own maximum, below 0: none. */
  public long maxHz;

  /** What sets the frequencies. */
  public Driver driver;

  /** Its name. */
  public String driverName;

  /** What it can raise. */
  public Set<Profile> profiles;

  /** For people. */
  public String sdk;

  /** How often plans are read anew, ms. */
  public double resyncMs = 30_000;

  /** Begins with nothing said. */
  public Settings() {}
}
