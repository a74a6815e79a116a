-- Compare-and-set of one target: state, plan, history and publication, or nothing.
-- KEYS: state, plan, history, agents; where they are on this server too: due, targets
-- ARGV: 1 revision expected ("0": none stored; "lost": none stored, and what the plan says is known)
--       2 new state   3 plan message ("": unchanged)
--       4 channel   5 PUBLISH or SPUBLISH   6 new revision   7 entries of history to keep
--       8, 9 how long to keep state and plan, and the history, in ms
--       10, 11 from when to when, in us of Redis time, it may be committed
--       12 target   13 its next expiry in ms ("": none)
--       14 whether it is for a target without agents ("": it may have some)
--       15… new entries of history
-- Returns 1, or what is stored ("" for nothing) when the revision has moved, when there are agents
-- after all (one that has ended is still there for a while, and counts), or when it is not the time: before, the time was a guess, and a lease would end too early; after, whoever decided this
-- has given up waiting, as when a server has stood still, and the alert will come again.
-- A key of another type is nobody's: it counts as nothing, and makes room.
local function add(command, key, ...)
  local done = redis.pcall(command, key, ...)
  if type(done) == 'table' and done.err then
    if not string.find(done.err, 'WRONGTYPE', 1, true) then
      return done
    end
    redis.call('DEL', key)
    redis.call(command, key, ...)
  end
end
local function must_add(...)
  local failed = add(...)
  if failed then
    error(failed.err)
  end
end
local stored = redis.pcall('GET', KEYS[1])
stored = type(stored) == 'string' and stored
local rev = stored and string.match(stored, '^{"rev":([1-9]%d*),') or '0'
if #rev > 16 then  -- no commit wrote that
  rev = '0'
end
local expected = ARGV[1]
if expected == 'lost' then
  expected = '0'
elseif expected == '0' and rev == '0' then
  -- A state that is lost: its leases are in the plan, and who decided this has not seen them.
  local plan = redis.pcall('GET', KEYS[2])
  if type(plan) == 'string' and string.find(plan, 'leases\\*":%[{') then
    return stored or ''
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if rev ~= expected or now < tonumber(ARGV[10]) or tonumber(ARGV[11]) < now then
  return stored or ''
end
if ARGV[14] ~= '' and redis.call('PTTL', KEYS[4]) ~= -2 then  -- the key exists
  return stored or ''
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[8])
for i = 15, #ARGV do
  -- The revision as the id: a reader of a plan finds its entries at once. The fallback is for
  -- a history that is ahead of its state, as after a partial restore.
  local id = ARGV[6] .. '-' .. (i - 15)
  if add('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], id, 'entry', ARGV[i])
      and add('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', 'entry', ARGV[i]) then
    redis.call('DEL', KEYS[3])  -- its last id is the last one that there is
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], id, 'entry', ARGV[i])
  end
end
if #ARGV >= 15 and redis.call('PTTL', KEYS[3]) < tonumber(ARGV[9]) then
  redis.call('PEXPIRE', KEYS[3], ARGV[9])
end
if KEYS[5] then
  if ARGV[13] ~= '' then
    must_add('ZADD', KEYS[5], ARGV[13], ARGV[12])
  else
    must_add('ZREM', KEYS[5], ARGV[12])
  end
  must_add('ZADD', KEYS[6], math.floor(ARGV[10] / 1000), ARGV[12])
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[8])
  redis.call(ARGV[5], ARGV[4], ARGV[3])
end
return 1
